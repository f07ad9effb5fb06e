import { mkdtemp, readdir, readFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadCheckpoint } from 'innate/checkpoints'
import { openEngine } from 'innate/engine'
import { type Tensor, tensor } from 'innate/graph'
import { openPolicy, type Policy, scoreTrees, textTree } from 'innate/policy'
import { afterAll, describe, expect, it } from 'vitest'
import { learn } from './lesson.ts'
import { asStory, splitAt } from './material.ts'
import { bitsPerByte } from './measure.ts'
import { covariances, narrow } from './prune.ts'
import { trimVocabulary } from './vocabulary.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const tiny = await loadCheckpoint('fixtures/llama-tiny')
const stories = Array.from({ length: 16 }, (_, i) => ({ ids: Array.from({ length: 12 + i }, (_, k) => (7 * i + k * k) % 320), bytes: 40 }))

describe('the small vocabulary', () => {
  const piece = ['<unk>', '<s>', 'a', 'b', 'c', 'ab', 'abc', 'bc', 'ca']
  const json = {
    added_tokens: [{ id: 1, content: '<s>' }],
    model: { vocab: Object.fromEntries(piece.map((p, i) => [p, i])), merges: ['a b', 'ab c', 'b c', 'c a'] },
  }

  it('keeps what is frequent, with all that is merged on the way to it', () => {
    const { json: small, kept } = trimVocabulary(
      json,
      new Map([
        [6, 10],
        [8, 1],
      ]),
      7,
    )
    expect(Object.keys(small.model.vocab)).toEqual(['<unk>', '<s>', 'a', 'b', 'c', 'ab', 'abc'])
    expect(small.model.merges).toEqual(['a b', 'ab c'])
    expect(kept).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  it('numbers what is left without gaps', () => {
    const { json: small, kept } = trimVocabulary(json, new Map([[8, 1]]), 9)
    expect(small.model.vocab).toEqual({ '<unk>': 0, '<s>': 1, a: 2, c: 3, ca: 4 })
    expect(kept).toEqual([0, 1, 2, 4, 8])
  })
})

it('a neuron that is twice in an MLP is taken out without changing the model', async () => {
  const f = tiny.config.intermediateSize
  const twice = (t: Tensor) => {
    const d = t.shape[1]!
    const data = t.data.slice() as Float32Array
    data.copyWithin((f - 1) * d, 3 * d, 4 * d)
    return tensor(data, t.shape)
  }
  const params = {
    ...tiny.params,
    blocks: tiny.params.blocks.map((block) => ({ ...block, mlp: { ...block.mlp, gate: twice(block.mlp.gate!), up: twice(block.mlp.up) } })),
  }
  const whole = { config: tiny.config, params }
  const policy = await openPolicy(engine, whole)
  const less = narrow(whole, await covariances(policy, stories), f - 1)
  expect(less.params.blocks[0]!.mlp.down.shape).toEqual([tiny.config.hiddenSize, f - 1])
  const trees = stories.map(({ ids }) => textTree(ids))
  const [want, got] = [await scoreTrees(policy, trees), await scoreTrees(await openPolicy(engine, less), trees)]
  // The fit is damped by 1e-4 of the mean variance.
  for (const [i, logp] of got.entries()) expect(Math.abs(logp - want[i]!)).toBeLessThan(1e-3 * Math.abs(want[i]!))
  const other = narrow({ config: tiny.config, params: tiny.params }, await covariances(await openPolicy(engine, tiny), stories), f / 2)
  const changed = await scoreTrees(await openPolicy(engine, other), trees)
  expect(Math.max(...changed.map((logp, i) => Math.abs(logp - want[i]!)))).toBeGreaterThan(0.01)
})

describe('learning', () => {
  const lesson = async (file: string, steps: number, taught: boolean) => {
    const student = await openPolicy(engine, { ...tiny, params: await meek() })
    const teacher = taught ? { teacher: await openPolicy(engine, tiny) } : {}
    const common = { stories, heldOut: stories.slice(0, 4), lr: 3e-3, seed: 1, batch: 4, warmup: 2, say() {} }
    await learn({ ...common, student, ...teacher, steps, file })
    return student
  }
  /** The tiny model with MLPs that say less: another model of the same form. */
  const meek = async () => {
    const { params } = await loadCheckpoint('fixtures/llama-tiny')
    for (const { mlp } of params.blocks) mlp.down.data.set(mlp.down.data.map((x) => 0.2 * x))
    return params
  }
  const curveOf = async (file: string) =>
    (await readFile(`${file}.jsonl`, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  const apart = async (one: Policy, other: Policy) => {
    const trees = stories.map(({ ids }) => textTree(ids))
    const [mine, theirs] = [await scoreTrees(one, trees), await scoreTrees(other, trees)]
    return mine.reduce((sum, logp, i) => sum + Math.abs(logp - theirs[i]!), 0)
  }

  it('from a teacher comes nearer to the teacher, from tokens to the text', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'box-'))
    const teacher = await openPolicy(engine, tiny)
    const before = await apart(await openPolicy(engine, { ...tiny, params: await meek() }), teacher)
    expect(await apart(await lesson(join(folder, 'taught'), 80, true), teacher)).toBeLessThan(0.75 * before)
    await lesson(join(folder, 'told'), 12, false)
    const curve = await curveOf(join(folder, 'told'))
    expect(curve.map(({ step }: { step: number }) => step)).toEqual([0, 12])
    expect(curve[1].heldOutBitsPerByte).toBeLessThan(0.9 * curve[0].heldOutBitsPerByte)
  })

  it('bits per byte are nats over ln 2 and bytes', async () => {
    const policy = await openPolicy(engine, tiny)
    const logps = await scoreTrees(
      policy,
      stories.map(({ ids }) => textTree(ids)),
    )
    const want = -logps.reduce((a, b) => a + b, 0) / Math.LN2 / (40 * stories.length)
    expect(await bitsPerByte(policy, stories)).toBeCloseTo(want, 10)
  })
})

it('finds where a word fell into other pieces', () => {
  expect(splitAt(['<s>', '▁a', '▁s', 'a', 'd', '▁cat', '.', '<s>'], ['<s>', '▁a', '▁sad', '▁cat', '.'])).toEqual([2, 3, 4])
})

describe('stories5m, the model in the box', async () => {
  const box = await loadCheckpoint('stories5m')

  it('is small, with the licence and figures on its card', async () => {
    const files = await readdir('box/stories5m')
    const sizes = await Promise.all(files.map(async (name) => (await stat(join('box/stories5m', name))).size))
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(10_100_000)
    expect((await stat('box/stories5m/model.safetensors')).size).toBeLessThan(10_000_000)
    expect(box.config.vocabSize).toBeLessThanOrEqual(4096)
    const [card, measured] = [await readFile('box/stories5m/README.md', 'utf8'), await measuredBefore()]
    for (const figure of [measured.bitsPerByte.stories5m.toFixed(4), measured.nllUnderStories15m.stories5m.toFixed(3), 'MIT licence'])
      expect(card).toContain(figure)
  })

  it('has the weights that were measured: bits per byte of its first ten samples', async () => {
    const { first, firstBitsPerByte } = await measuredBefore()
    const told = first.map((text: { text: string; ended: boolean }) => asStory(text, box.tokenizer, box))
    expect(Math.abs((await bitsPerByte(await openPolicy(engine, box), told)) - firstBitsPerByte)).toBeLessThan(1e-4)
  })

  const measuredBefore = async () => JSON.parse(await readFile('box/stories5m/measured.json', 'utf8'))
})
