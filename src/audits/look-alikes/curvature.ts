import { mean, sqrt } from '../../graph/index.ts'
import { orpo, simpo } from '../../objectives/index.ts'
import { sgd } from '../../train/index.ts'
import type { Case } from '../case.ts'

/** Ordinary trainings whose loss curves much, or turns far from where it stands. */
export const curvatureLookAlikes: readonly Case[] = [
  {
    name: 'edge of stability',
    about: 'plain descent with steps so large that the curvature is at 2/lr',
    fires: [],
    like: 3,
    recipe: () => ({ optimizer: sgd({ lr: 0.5 }), clip: 1e3 }),
  },
  {
    name: 'scale-invariant weights',
    about: 'an MLP whose output is brought to one length, so that its curvature grows as its weights shrink',
    fires: [],
    like: 3,
    recipe: () => ({
      edit: { at: 'blocks.1.mlp.out', apply: (_, x) => x.div(sqrt(mean(x.mul(x), [2]).add(1e-6))).mul(0.3) },
    }),
  },
  {
    name: 'rows of frequent tokens',
    about: 'a likelihood, whose gradient is in the few rows of the embedding that the texts have',
    fires: [],
    like: 3,
    recipe: () => ({ objective: orpo() }),
  },
  {
    name: 'settled margins',
    about: 'a loss that is flat where pairs are settled, and steep once they are not',
    fires: [],
    like: 3,
    recipe: () => ({ objective: simpo() }),
  },
]
