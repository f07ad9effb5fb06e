import { expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { editTarget, makeEdit } from '../checkpoints/index.ts'
import { tensor, UserError } from '../graph/index.ts'
import { editOf } from './edit-file.ts'
import { openModel } from './open-model.ts'
import { at, slice, top } from './parts.ts'
import { scoreTrees } from './score.ts'

it('reads values inside, as plain data of one text, and says what is wrong', async () => {
  const model = await openModel('fixtures/llama-tiny')
  const { layers, heads, hiddenSize: d, headDim } = model.config
  const text = 'Once upon a time there was'
  const ids = model.tokenizer.encode(text)
  const T = ids.length
  expect(model.pieces(text)).toEqual(model.tokenizer.pieces(ids))

  const { pattern, resid, z, few } = await model.read(text, {
    pattern: 'blocks.1.attn.pattern',
    resid: 'blocks.*.out',
    z: 'blocks.0.attn.z',
    few: 'embed,final',
  })
  expect([pattern.shape, z.shape]).toEqual([
    [heads, T, T],
    [heads, T, headDim],
  ])
  expect(Object.keys(resid)).toEqual(Array.from({ length: layers }, (_, i) => `blocks.${i}.out`))
  expect(Object.values(resid).every(({ shape }) => `${shape}` === `${[T, d]}`)).toBe(true)
  expect(Object.keys(few)).toEqual(['embed', 'final'])
  for (let h = 0; h < heads; h++)
    for (let t = 0; t < T; t++) {
      const row = at(pattern, h, t).data
      expectClose([Array.from(row).reduce((a, b) => a + b, 0)], [1], tolerances.plainly)
      expect(row.slice(t + 1).every((share) => share === 0)).toBe(true)
    }

  // The log-probabilities of what stands in the text are those that are scored, and so under an edit.
  const sum = async (of: typeof model) => {
    const { shape, data } = await of.logprobs(text)
    expect(shape).toEqual([T, model.config.vocabSize])
    return ids.slice(1).reduce((total, id, t) => total + data[t * shape[1]! + id]!, 0)
  }
  const tree = { prompt: ids.slice(0, 1), completions: [ids.slice(1)] }
  const without = model.with((_, x) => x.mul(0), { at: 'blocks.1.mlp.out' })
  for (const of of [model, without]) expectClose([await sum(of)], await scoreTrees(of.policy, [tree]), tolerances.teacherForced)
  expect(Math.abs((await sum(model)) - (await sum(without)))).toBeGreaterThan(1e-3)

  const [first, second] = await model.read(['Once', text], { x: 'final' })
  expect(first!.x.shape).toEqual([model.tokenizer.encode('Once').length, d])
  expectClose(second!.x.data, few.final!.data, tolerances.plainly)

  await expect(model.read(text, { x: 'blocks.0.mlp.actt' })).rejects.toThrow(/^read: x: must name taps .* did you mean blocks.0.mlp.act\?$/)
  await expect(model.read('cat '.repeat(model.config.contextLength), { x: 'final' })).rejects.toThrow(
    /^read: a text must have 1 to \d+ tokens/,
  )
  await without.close()
  await sum(model)
  await model.close()
})

it('takes an edit that was just made, and compiles edits of one form once', async () => {
  const model = await openModel('fixtures/llama-tiny')
  const d = model.config.hiddenSize
  const target = editTarget(model.config, model.hash)
  const pushing = (strength: number) =>
    makeEdit({
      name: `push by ${strength}`,
      for: target,
      acts: [{ kind: 'add', at: ['blocks.0.out'], direction: 'r', strength, positions: 'all' }],
      tensors: { r: tensor(new Float32Array(d).fill(1), [d]) },
    })
  const before = await model.read('Once upon', { x: 'blocks.0.out' })
  for (const strength of [0.5, -2]) {
    const after = await model.with(pushing(strength)).read('Once upon', { x: 'blocks.0.out' })
    expectClose(
      after.x.data,
      Array.from(before.x.data, (x) => x + strength),
      tolerances.plainly,
    )
  }
  expect(editOf(model.config, pushing(1)).apply).toBe(editOf(model.config, pushing(3)).apply)
  const weights = makeEdit({
    name: 'other words',
    for: target,
    acts: [{ kind: 'delta', weights: { embed: 'w' }, scale: 1 }],
    tensors: { w: tensor(new Float32Array(model.config.vocabSize * d), [model.config.vocabSize, d]) },
  })
  expect(() => model.with(weights)).toThrow(/^other words: with must be given an edit of activations, got one of weights/)
  expect(() => model.with({ ...pushing(1), for: { ...target, hiddenSize: d + 1 } })).toThrow(/hiddenSize/)
  await model.close()
})

it('parts and largest entries of what came back', () => {
  const x = tensor(
    Array.from({ length: 24 }, (_, i) => (i * 7) % 24),
    [2, 3, 4],
  )
  expect([...at(x, 1, 2).data]).toEqual([20, 21, 22, 23].map((i) => (i * 7) % 24))
  expect(at(x, -1, 0)).toEqual({ dtype: 'f32', shape: [4], data: x.data.subarray(12, 16) })
  expect(at(x, 1, 2, 3)).toEqual({ dtype: 'f32', shape: [], data: x.data.subarray(23, 24) })
  expect(slice(x, 1)).toEqual({ dtype: 'f32', shape: [1, 3, 4], data: x.data.subarray(12) })
  expect(slice(at(x, 0), -2, 9)).toEqual({ dtype: 'f32', shape: [2, 4], data: x.data.subarray(4, 12) })
  expect(slice(x, 2, 1).shape).toEqual([0, 3, 4])
  expect(() => at(x, 2)).toThrow(UserError)
  expect(() => at(x, 0, 0, 0, 0)).toThrow(/^at: place 3 must be of an axis/)
  expect(top(at(x, 0), 2)).toEqual([
    { place: 10, value: 22 },
    { place: 3, value: 21 },
  ])
})

it('compares two models inside: nothing moved without a change, and an added direction by its share of the stream', async () => {
  const model = await openModel('fixtures/llama-tiny')
  const texts = ['Once upon a time', 'Tom and Sue']
  for (const { moved } of await model.compare(model, texts)) expect(moved).toBe(0)
  const step = 0.25
  const pushed = model.with((_, x) => x.add(step), { at: 'blocks.0.out' })
  const found = Object.fromEntries((await model.compare(pushed, texts, 'blocks.*.mlp.out,blocks.*.out')).map((row) => [row.tap, row]))
  expect(found['blocks.0.mlp.out']!.moved).toBe(0)
  expect(found['blocks.1.out']!.moved).toBeGreaterThan(0)
  const length = step * Math.sqrt(model.config.hiddenSize)
  const read = await model.read(texts, { x: 'blocks.0.out' })
  const shares = read.map(({ x }) => {
    const each = Array.from({ length: x.shape[0]! }, (_, t) => length / Math.hypot(...at(x, t).data))
    return each.reduce((sum, share) => sum + share, 0) / each.length
  })
  expectClose(found['blocks.0.out']!.perText, shares, tolerances.plainly)
  await expect(model.compare(pushed, texts, 'blocks.0.outt')).rejects.toThrow(/^compare: must name taps/)
  await model.close()
})
