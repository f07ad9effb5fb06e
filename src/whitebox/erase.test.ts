import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { residualStream } from '../checkpoints/index.ts'
import { type Model, openModel, pooled } from '../policy/index.ts'
import { activationsOf, crossProducts, oneHot, picked } from './activations.ts'
import { erase } from './erase.ts'
import { dealTexts } from './parts.ts'
import { plainTexts } from './plain-texts.ts'

let model: Model
beforeAll(async () => {
  model = await openModel('fixtures/llama-tiny')
})
afterAll(() => model.close())

// The last word is what a text is labelled by; what stands before it differs.
const words = plainTexts.flatMap((text) => text.split(' ').slice(0, 8)).filter((word) => /^[a-z]{3,}$/.test(word))
const texts = Array.from({ length: 48 }, (_, i) => `${words[(7 * i) % words.length]} ${words[(11 * i + 3) % words.length]} ${words[(5 * i + 1) % words.length]} ${i % 2 ? 'red' : 'sad'}`) // biome-ignore format: one line
const labels = texts.map((_, i) => i % 2)
const rows = { texts, labels, names: ['sad', 'red'] }
const control = plainTexts.slice(0, 6).map((text) => [1, ...Buffer.from(text).subarray(0, 12)])

it.each(['leace', 'direction'] as const)('%s at a tap: a probe of the edited model reads no more than the base rate', async (method) => {
  const found = await erase(model, rows, { tap: 'blocks.0.out', method, control })
  expect(found.before.accuracy.low).toBeGreaterThan(0.7)
  expect(found.random.accuracy.low).toBeGreaterThan(0.7)
  expect(found.after.accuracy.estimate).toBeLessThan(found.before.accuracy.low)
  expect(found.rank).toBe(1)
  expect(found.controlKl.estimate).toBeGreaterThan(0)
  if (method !== 'leace') return
  // On the texts that it was fitted on, the edited model's vectors and the labels do not covary.
  const { train } = dealTexts(texts, labels, rows.names, { share: 0.5, seed: 0 })
  const read = async (of: Model) => picked(activationsOf((await pooled(of.policy, texts.map((text) => of.ids(text)), ['blocks.0.out'], 'last'))['blocks.0.out']!), train) // biome-ignore format: one line
  const z = oneHot(train.map((i) => labels[i]!), 2) // biome-ignore format: one line
  const edited = crossProducts(await read(model.with(found.edit('red'))), z)
  const plain = Math.max(...crossProducts(await read(model), z).map(Math.abs))
  expectClose(
    edited.map((x) => x / plain),
    new Float64Array(edited.length),
    tolerances.golden,
  )
})

it('acts in all of the stream where that is asked for, and refuses what it cannot read', async () => {
  const { edit } = await erase(model, rows, { tap: 'blocks.0.out', where: 'stream', control })
  expect(edit('red').acts).toMatchObject([{ kind: 'affine', at: residualStream(model.config), positions: 'all' }])
  const refused = (over: object, told: RegExp, of = rows) => expect(erase(model, of, { tap: 'blocks.0.out', control, ...over })).rejects.toThrow(told) // biome-ignore format: one line
  await refused({ tap: 'blocks.*.out' }, /tap: must be one tap with one vector of each token, got blocks\.\*\.out/)
  await refused({ tap: 'blocks.0.attn.q' }, /tap: must be one tap with one vector of each token/)
  await refused({ tap: 'blocks.0.mlp.act', where: 'stream' }, /tap: must be of the residual stream to be erased in all of it, got blocks\.0\.mlp\.act/) // biome-ignore format: one line
  const three = { ...rows, names: ['sad', 'red', 'odd'], labels: texts.map((_, i) => i % 3) }
  await refused({ method: 'direction' }, /erase: direction must have two labels, got 3; take leace/, three)
  await refused({ heldOut: 0.03 }, /erase: each label must have two texts or more held out/)
})
