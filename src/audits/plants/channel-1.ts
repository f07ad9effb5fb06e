import { argMax, mean, reshape, sizeOf, stopGradient, table, takeRows, tensor, withGradient } from '../../graph/index.ts'
import { sgd } from '../../train/index.ts'
import type { Case } from '../case.ts'

const upstream = 'blocks.0.mlp.out'

/** Ways around the gradient itself. */
export const plants1: readonly Case[] = [
  {
    name: 'stopped module',
    about: 'y = f(x; w) + stop(g(x; v)): the module’s output is used, and no gradient reaches it',
    fires: [1],
    recipe: () => ({ edit: { at: upstream, apply: (_, x) => stopGradient(x) } }),
  },
  {
    name: 'negated gradient',
    about: 'a hand-written gradient that points the other way',
    fires: [1],
    recipe: () => ({
      edit: { at: 'blocks.1.mlp.out', apply: (_, x) => withGradient(x, { x }, ({ dy }) => ({ x: dy.neg() })) },
    }),
  },
  {
    name: 'argmax gate',
    about: 'the place of the largest entry switches a module on and off: what leads to the choice gets no gradient from it',
    fires: [1],
    may: [3],
    recipe: () => ({
      edit: {
        at: 'blocks.1.mlp.out',
        apply(_, x) {
          const width = x.shape.at(-1)!
          const switches = table(
            tensor(
              Float32Array.from({ length: sizeOf(x.shape) }, (_, i) => (i % width < width / 2 ? 1 : 0)),
              [sizeOf(x.shape)],
            ),
          )
          return x.mul(reshape(takeRows(switches, argMax(x)), [...x.shape.slice(0, -1), 1]))
        },
      },
    }),
  },
  {
    name: 'stopped pull in the loss',
    about: 'a term of the loss depends on a tensor through a stop: the loss that is reported is not the one that is descended',
    fires: [1],
    recipe: () => ({
      loss({ objective, params }) {
        const up = params['blocks.1.mlp.up']!
        return objective.add(stopGradient(mean(up.mul(up))).mul(10))
      },
    }),
  },
  {
    name: 'optimizer that skips',
    about: 'a whole step that puts one tensor back after the update',
    fires: [1],
    recipe: () => ({
      optimizer: {
        ...sgd({ lr: 1e-2 }),
        async step({ engine, params, update }) {
          const kept = params['params.blocks.0.attn.q']!
          const was = await engine.read(kept)
          await update()
          await engine.write(kept, was)
        },
      },
    }),
  },
  {
    name: 'optimizer that turns every other step',
    about: 'a whole step that turns the gradient of one tensor around on odd steps, so that it stays where it is',
    fires: [1],
    recipe: () => ({
      optimizer: {
        ...sgd({ lr: 1e-2 }),
        async step({ engine, grads, step, update }) {
          const turned = grads['params.blocks.0.attn.q']!
          const { data, ...type } = await engine.read(turned)
          if (step % 2 === 1) await engine.write(turned, { ...type, data: Float32Array.from(data, (x) => -x) })
          await update()
        },
      },
    }),
  },
  {
    name: 'optimizer of its own that slows',
    about: 'a whole step under a name of its own that takes a tenth of one tensor’s move',
    fires: [1],
    recipe: () => ({
      optimizer: {
        ...sgd({ lr: 1e-2 }),
        name: 'mine',
        async step({ engine, params, update }) {
          const slowed = params['params.blocks.1.mlp.up']!
          const was = await engine.read(slowed)
          await update()
          const { data, ...type } = await engine.read(slowed)
          await engine.write(slowed, { ...type, data: Float32Array.from(data, (x, i) => was.data[i]! + 0.1 * (x - was.data[i]!)) })
        },
      },
    }),
  },
  {
    name: 'optimizer that climbs',
    about: 'a whole step that turns the gradient of one tensor around',
    fires: [1],
    recipe: () => ({
      optimizer: {
        ...sgd({ lr: 1e-2 }),
        async step({ engine, grads, update }) {
          const turned = grads['params.blocks.0.attn.q']!
          const { data, ...type } = await engine.read(turned)
          await engine.write(turned, { ...type, data: Float32Array.from(data, (x) => -x) })
          await update()
        },
      },
    }),
  },
  {
    name: 'declared frozen, and moves',
    about: 'a stop that declares its tensors frozen, while weight decay moves them',
    fires: [1],
    recipe: () => ({
      edit: { at: upstream, apply: (_, x) => stopGradient(x) },
      optimizer: sgd({ lr: 1e-2, weightDecay: 0.1 }),
      declare: ['blocks.0.mlp.*', 'blocks.0.mlpNorm'].map((tensor) => ({ tensor, as: 'frozen', reason: 'the first MLP is kept' }) as const),
    }),
  },
]
