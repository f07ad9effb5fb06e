import { mean } from '../../graph/index.ts'
import { adamw, sgd } from '../../train/index.ts'
import type { Case } from '../case.ts'
import type { Declaration } from '../declaration.ts'

/** Ordinary trainings in which much is clipped. */
export const clipLookAlikes: readonly Case[] = [
  {
    name: 'small norm',
    about: 'a clip by the norm of all that every step meets',
    fires: [],
    like: 2,
    recipe: () => ({ clip: { norm: 0.01 } }),
  },
  {
    name: 'clip by group',
    about: 'a clip by group that most groups meet',
    fires: [],
    like: 2,
    recipe: () => ({ clip: { perGroup: 0.05 } }),
  },
  {
    name: 'heavy-tailed embeddings',
    about: 'a clip by value that the largest gradients meet, those of the embedding of frequent tokens above all',
    fires: [],
    like: 2,
    recipe: () => ({ clip: { value: 0.005 } }),
  },
  {
    name: 'warm-up spike',
    about: 'the first steps are clipped, the rate decays',
    fires: [],
    like: 2,
    recipe: () => ({
      // A term that is large before the first steps have taken it away.
      loss({ objective, params }) {
        const up = params['blocks.1.mlp.up']!
        return objective.add(mean(up.mul(up)).mul(200))
      },
      optimizer: sgd({ lr: 1 }),
      clip: { value: 0.1 },
    }),
  },
  {
    name: 'clipped Adam',
    about: 'AdamW behind a clip by value',
    fires: [],
    like: 2,
    recipe: () => ({ optimizer: adamw({ lr: 1e-3 }), clip: { value: 1e-3 } }),
  },
  {
    name: 'signs alone',
    about: 'a clip by value far below every entry, so that a step is the gradient’s sign, with a pull that has one',
    fires: [],
    like: 2,
    recipe: () => ({
      loss: ({ objective, params }) => objective.add(mean(params['blocks.0.mlp.up']!).mul(100)),
      clip: { value: 1e-4 },
      optimizer: sgd({ lr: 1e-2 }),
      declare: [
        { tensor: 'blocks.0.mlp.up', as: 'clipped', reason: 'it drifts down at the pace of the clip, on purpose' } satisfies Declaration,
      ],
    }),
  },
]
