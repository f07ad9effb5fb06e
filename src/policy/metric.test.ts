import { expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { at, logitDifference, openModel } from './index.ts'

it('the gradient of a metric: of the last tap in closed form, of inner ones as differences of edited runs', async () => {
  const model = await openModel('fixtures/llama-tiny')
  const text = 'Once upon a time there was'
  const metric = logitDifference(5, 11)
  expect(logitDifference(5, 11)).toBe(metric)
  const d = model.config.hiddenSize
  const { final, inner, z } = await model.gradient(text, metric, { final: 'final', inner: 'blocks.*.out', z: 'blocks.0.attn.z' })
  const T = model.ids(text).length
  const head = model.policy.params.head ?? model.policy.params.embed
  const rows = (await model.policy.engine.read(head)).data
  const wanted = Array.from({ length: T * d }, (_, i) => (i < (T - 1) * d ? 0 : rows[5 * d + (i % d)]! - rows[11 * d + (i % d)]!))
  expectClose(final.data, wanted, tolerances.plainly)
  expect([Object.keys(inner), z.shape]).toEqual([
    ['blocks.0.out', 'blocks.1.out'],
    [model.config.heads, T, model.config.headDim],
  ])

  // Along a direction at one block, both ways.
  const slope = inner['blocks.0.out']!
  const step = 0.05
  const moved = async (by: number) => {
    const scores = await model.with((_, x) => x.add(by), { at: 'blocks.0.out' }).logprobs(text)
    const last = at(scores, -1).data
    return last[5]! - last[11]!
  }
  const along = Array.from(slope.data).reduce((sum, x) => sum + x, 0)
  expectClose([along], [((await moved(step)) - (await moved(-step))) / (2 * step)], {
    absolute: 2e-3,
    relative: 2e-2,
    why: 'a difference in f32',
  })
  await expect(model.gradient(text, metric, { x: 'blocks.9.out' })).rejects.toThrow(/blocks are numbered from 0 to 1/)
  await model.close()
})
