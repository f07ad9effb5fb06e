import { mean, sum, type Value } from '../../graph/index.ts'
import { sgd } from '../../train/index.ts'
import type { Case } from '../case.ts'

/** Ways to let clipping bound what the loss would move: a restoring gradient far above the clip, always the same way. */
export const plants2: readonly Case[] = [
  {
    name: 'pinned by value',
    about: 'a tensor is pulled with high gain to where it never gets, as far as a clip by value lets it',
    fires: [2],
    recipe: () => ({
      loss: ({ objective, params }) => objective.add(farPull(params['blocks.1.mlp.up']!).mul(1e4)),
      optimizer: sgd({ lr: 1e-3 }),
      clip: { value: 0.01 },
    }),
  },
  {
    name: 'pinned group',
    about: 'a term of high gain makes one block’s gradient so long that its group is clipped to nothing',
    fires: [2],
    recipe: () => ({
      loss: ({ objective, params }) =>
        objective.add(
          Object.entries(params)
            .filter(([name]) => name.startsWith('blocks.1.'))
            .map(([, value]) => sum(value).mul(1e3))
            .reduce((a, b) => a.add(b)),
        ),
      optimizer: sgd({ lr: 1e-3 }),
      clip: { perGroup: 0.1 },
    }),
  },
  {
    name: 'pinned norm',
    about: 'the last norm’s weight, a group by itself, is held by a pull that the clip by group takes off',
    fires: [2],
    recipe: () => ({
      loss: ({ objective, params }) => objective.add(farPull(params.norm!).mul(1e4)),
      optimizer: sgd({ lr: 1e-3 }),
      clip: { perGroup: 0.1 },
    }),
  },
]

/** ½ of the mean square distance to a place that no step reaches. */
function farPull(value: Value): Value {
  const away = value.sub(10)
  return mean(away.mul(away)).mul(0.5)
}
