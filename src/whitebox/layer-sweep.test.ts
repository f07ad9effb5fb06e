import { expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { openModel } from '../policy/index.ts'
import { layerSweep } from './layer-sweep.ts'

it('swapped, deleted, reversed and repeated blocks predict what transformers predicts with its blocks in that order', async () => {
  const model = await openModel('stories5m')
  const texts = ['Once upon a time there was a cat. The cat was happy.', 'Tom and Sue went to the park. They saw a dog.'].map((text) =>
    model.ids(text),
  )
  const { loss, changes } = await layerSweep(model, texts)
  await expect(layerSweep(model, texts.slice(1))).rejects.toThrow(/^swap: texts must be two or more/)
  await model.close()
  const found = Object.fromEntries(changes.map(({ kind, layers, ...rest }) => [`${kind} ${layers}`, rest]))
  expect(Object.keys(found)).toHaveLength(5 + 6 + 2 + 6 + 6)
  const wanted: Record<string, readonly [top1: number, loss: number, kl: number]> = {
    'swap 0,1': [0.115384615, 8.500073244, 7.709491115],
    'swap 2,3': [0.923076923, 2.167408694, 0.04605462],
    'delete 2': [0.884615385, 1.945305156, 0.104744286],
    'delete 5': [0.851648352, 3.247597186, 0.537521979],
    'reverse 1,2,3,4': [0.552197802, 2.621297754, 1.509130656],
    'repeat 4': [1, 2.285596763, 0.031848715],
    'no residual 3': [0.513736264, 2.517048759, 1.770463537],
  }
  expectClose([loss.estimate], [2.149507063], tolerances.families)
  for (const [key, [top1, nats, kl]] of Object.entries(wanted)) {
    expectClose([found[key]!.loss.estimate, found[key]!.kl.estimate], [nats, kl], tolerances.families)
    expect(found[key]!.top1.estimate).toBeCloseTo(top1, 8)
  }
})
