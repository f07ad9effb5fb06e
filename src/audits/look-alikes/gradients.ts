import { maximum, mean, step, stopGradient, straightThrough, withGradient } from '../../graph/index.ts'
import { adamw } from '../../train/index.ts'
import type { Case } from '../case.ts'
import type { Declaration } from '../declaration.ts'

/** Everything that lies before the second MLP's output in the small model and its like. */
const before = ['embed', 'blocks.0.*', 'blocks.1.attn*', 'blocks.1.mlp*']
const declared = (as: Declaration['as'], reason: string, tensors: readonly string[] = before) =>
  tensors.map((tensor): Declaration => ({ tensor, as, reason }))

/** Ordinary trainings with something that a gradient does not see, or sees otherwise. */
export const gradientLookAlikes: readonly Case[] = [
  {
    name: 'frozen first MLP',
    about: 'a module that is kept as it is, by a stop at its output',
    fires: [],
    like: 1,
    recipe: () => ({
      edit: { at: 'blocks.0.mlp.out', apply: (_, x) => stopGradient(x) },
      declare: [
        ...declared('frozen', 'the first MLP is kept as it is', ['blocks.0.mlp.*', 'blocks.0.mlpNorm']),
        ...declared('stop', 'what it reads is trained through the residual stream alone', ['embed', 'blocks.0.attn*']),
      ],
    }),
  },
  {
    name: 'straight-through quantiser',
    about: 'an MLP whose output has two levels, trained as if it had all',
    fires: [],
    like: 1,
    recipe: () => ({
      edit: { at: 'blocks.1.mlp.out', apply: (_, x) => straightThrough(x, step(x).sub(0.5).mul(0.2)) },
      declare: declared('straight-through', 'the MLP is quantised to two levels (Bengio et al. 2013)'),
    }),
  },
  {
    name: 'top experts',
    about: 'of an MLP’s outputs those above their mean are kept, as a router keeps its best experts',
    fires: [],
    like: 1,
    recipe: () => ({
      edit: { at: 'blocks.1.mlp.out', apply: (_, x) => x.mul(step(x.sub(mean(x, [2])))) },
      declare: declared('choice', 'each token keeps its largest channels, as top-k routing does (Shazeer et al. 2017)'),
    }),
  },
  {
    name: 'gradient of one’s own, right',
    about: 'a hand-written gradient that is the derivative, as of a fused kernel',
    fires: [],
    like: 1,
    recipe: () => ({
      edit: { at: 'blocks.1.mlp.out', apply: (_, x) => withGradient(x.mul(2), { x }, ({ dy }) => ({ x: dy.mul(2) })) },
      declare: declared('own gradient', 'doubling, written by hand'),
    }),
  },
  {
    name: 'dead units',
    about: 'a rectifier that no example opens',
    fires: [],
    like: 1,
    recipe: () => ({ edit: { at: 'blocks.1.mlp.out', apply: (_, x) => maximum(x.sub(100), 0) } }),
  },
  {
    name: 'dropout',
    about: 'adapters that read through masks',
    fires: [],
    like: 1,
    recipe: () => ({ lora: { rank: 2, alpha: 4, dropout: 0.3 } }),
  },
  {
    name: 'adapters',
    about: 'low-rank adapters, of which one factor begins at zero',
    fires: [],
    like: 1,
    recipe: () => ({ lora: { rank: 2, alpha: 4 } }),
  },
  {
    name: 'weight decay',
    about: 'AdamW with decay',
    fires: [],
    like: 1,
    recipe: () => ({ optimizer: adamw({ lr: 1e-3, weightDecay: 0.1 }) }),
  },
]
