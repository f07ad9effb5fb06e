import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { expectClose } from '../../../test/close.ts'
import { tolerances } from '../../../test/tolerances.ts'
import { loadCheckpoint } from '../../checkpoints/index.ts'
import { readSafetensors } from '../../checkpoints/safetensors.ts'
import { readJson } from '../../files/json.ts'
import { sizeOf, type Tensor } from '../../graph/tensor.ts'
import { readChatTemplate } from '../../text/chat-template.ts'
import { chancesToKeep } from './della.ts'
import { drawMasks } from './masks.ts'
import type { Given } from './method.ts'
import { mergeMethods } from './methods.ts'
import { sizes } from './order.ts'
import { mergeModels } from './run.ts'
import { namedTemplates } from './templates.ts'
import { readVocabulary } from './vocabulary.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures/merge')
const golden = await readSafetensors(join(fixtures, 'golden.safetensors'))
const { configs, drawn, told, templates } = await readJson(
  join(fixtures, 'golden.json'),
  z.object({ configs: z.array(z.string()), drawn: z.record(z.string(), z.record(z.string(), z.any())), told: z.record(z.string(), z.record(z.string(), z.int())), templates: z.array(z.object({ name: z.string(), messages: z.any(), answer: z.boolean(), text: z.string() })) }), // biome-ignore format: one line
  '',
)
const dicts = await Promise.all(['base', 'a', 'b'].map((name) => readSafetensors(join(fixtures, name, 'model.safetensors'))))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-merge-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function vectors(...tensors: readonly number[][]): Float32Array[] {
  return tensors.map((one) => Float32Array.from(one))
}

function given(tensors: readonly Float32Array[], { base = -1, shape = [tensors[0]!.length], draw = drawMasks(0, 'x', tensors[0]!.length) }: { base?: number; shape?: readonly number[]; draw?: Given['draw'] } = {}): Given {
  return { name: 'x', shape, tensors, base: tensors[base], others: tensors.filter((_, m) => m !== base), draw }
} // biome-ignore format: one line

/** The parameters of a method: what is told, else defaults, one for each of `others` where they are of models. */
function values(name: string, others: number, told: Readonly<Record<string, unknown>> = {}) {
  const entries = Object.entries(mergeMethods[name]!.parameters).map(([key, { of, default: usual }]) => {
    const value = told[key] ?? usual
    return [key, of === 'merge' || Array.isArray(value) ? value : new Array(others).fill(value)]
  })
  return Object.fromEntries(entries) as never
}

describe('every method of mergekit is here, and gives what mergekit gives', () => {
  it.each(configs)('%s', async (name) => {
    const out = join(folder, name)
    await mergeModels(join(fixtures, `${name}.yml`), out)
    const mine = await readSafetensors(join(out, 'model.safetensors'))
    const wanted = new Map([...golden].filter(([key]) => key.startsWith(`${name}/`)).map(([key, value]) => [key.slice(name.length + 1), value])) // biome-ignore format: one line
    expect([...mine.keys()].sort()).toEqual([...wanted.keys()].sort())
    const vocabulary = told[name] && (await readVocabulary(out, Number.POSITIVE_INFINITY))!.ids
    if (vocabulary) expect([...vocabulary.keys()].sort()).toEqual(Object.keys(told[name]!).sort())
    for (const [key, value] of mine) {
      const want = key.includes('embed') && vocabulary ? byToken(wanted.get(key)!, told[name]!, vocabulary) : wanted.get(key)!
      expectClose(value, want, tolerances.golden, key)
    }
    // It opens, with the layers that it says.
    const { config, tokenizer } = await loadCheckpoint(out)
    expect(config.layers).toBe(new Set([...mine.keys()].flatMap((key) => /layers\.(\d+)\./.exec(key)?.[1] ?? [])).size)
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(config.vocabSize)
  })

  it('no method is without a golden file', () => {
    const methods = new Set([...configs, ...Object.keys(drawn)].map((name) => name.replace(/-.*/, '')))
    expect(Object.keys(mergeMethods).filter((name) => !methods.has(name))).toEqual([])
    expect(Object.keys(mergeMethods)).toHaveLength(20)
  })

  it.each(Object.entries(drawn))('%s, under the masks that mergekit drew', (name, parameters) => {
    for (const [key, { shape }] of dicts[0]!) {
      const tensors = dicts.map((dict) => Float32Array.from(dict.get(key)!.data))
      const draw = (other: number) => Uint8Array.from(golden.get(`mask/${name}/${key}/${other}`)!.data)
      const out = mergeMethods[name]!.merge(given(tensors, { base: 0, shape, draw }), values(name, 2, parameters))
      expectClose({ shape, data: out }, golden.get(`${name}/${key}`)!, tolerances.golden, key)
    }
  })
})

it('templates by name render what those of mergekit render', () => {
  const special = { bos_token: '<s>', eos_token: '</s>' }
  for (const { name, messages, answer, text } of templates) expect(readChatTemplate(name, namedTemplates[name]!, special).render(messages, { answer }), name).toBe(text) // biome-ignore format: one line
  expect(Object.keys(namedTemplates).sort()).toEqual([...new Set(templates.map(({ name }) => name))])
})

/** Rows in the order of another numbering of the same tokens; rows that no token has stay. */
function byToken({ data, shape }: Tensor, from: Readonly<Record<string, number>>, to: ReadonlyMap<string, number>): Tensor {
  const width = shape[1]!
  const out = Float32Array.from(data)
  for (const [token, at] of to) out.set(data.subarray(from[token]! * width, (from[token]! + 1) * width) as Float32Array, at * width)
  return { dtype: 'f32', shape, data: out }
}

describe('the vectors', () => {
  it('V-TIES-1', () => {
    const out = mergeMethods.ties!.merge(
      given(vectors([0, 0, 0, 0], [3, -1, 0.5, 0], [-2, -2.5, 0.1, 4]), { base: 0 }),
      values('ties', 2, { weight: 1, density: 0.5 }),
    )
    expect([...out]).toEqual([3, -1.75, 0, 4])
  })

  it('V-DARE-1: scaled by Σ|δ|', () => {
    const draw = () => Uint8Array.from([1, 0, 1, 1])
    const out = mergeMethods.dare_linear!.merge(given(vectors([0, 0, 0, 0], [4, -2, 1, 3]), { base: 0, draw }), values('dare_linear', 1, { weight: 1, density: 0.75 })) // biome-ignore format: one line
    expect([...out]).toEqual([5, 0, 1.25, 3.75])
  })

  it('V-DELLA-1', () => {
    const [row, zero] = vectors([4, -2, 1, 3], [0, 0, 0, 0])
    const chances = chancesToKeep(sizes(row!, zero!), [4], 0.5, 0.15)
    expect([...chances].map((x) => Number(x.toFixed(6)))).toEqual([0.65, 0.45, 0.35, 0.55])
  })

  it('V-SLERP-1', () => {
    const out = mergeMethods.slerp!.merge(given(vectors([1, 0], [0, 2]), { base: 0 }), values('slerp', 1, { t: 0.5 }))
    expect([...out]).toEqual([Math.fround(Math.SQRT1_2), Math.fround(Math.SQRT2)])
  })
})

describe('our own masks', () => {
  it.each(['dare_linear', 'della_linear'])('%s: 200 draws have the mean of the difference, and the variance of a coin', (name) => {
    const n = 64
    const draws = 200
    const delta = Float32Array.from({ length: n }, (_, i) => 1 + (i % 7))
    const sum = new Float64Array(n)
    for (let seed = 0; seed < draws; seed++) {
      const tensors = [new Float32Array(n), Float32Array.from(delta)]
      const out = mergeMethods[name]!.merge(given(tensors, { base: 0, draw: drawMasks(seed, 'x', n) }), values(name, 1, { weight: 1, density: 0.6, rescale: false })) // biome-ignore format: one line
      for (let i = 0; i < n; i++) sum[i]! += out[i]! / delta[i]!
    }
    const chance = name === 'dare_linear' ? new Float32Array(n).fill(0.6) : chancesToKeep(sizes(delta, new Float32Array(n)), [n], 0.6, 0.15)
    // In units of the standard deviation of a mean of coins: mean square 1, with n entries within four standard errors of it.
    const square = chance.reduce((all, p, i) => all + (sum[i]! / draws - p) ** 2 / ((p * (1 - p)) / draws), 0) / n
    expect(Math.abs(square - 1)).toBeLessThan(4 * Math.sqrt(2 / n))
  })

  it('one seed is one mask, and another seed, tensor or model another', () => {
    const mask = (seed: number, name: string, other: number) => drawMasks(seed, name, 256)(other, 0.5).join('')
    expect(mask(1, 'x', 0)).toBe(mask(1, 'x', 0))
    expect(new Set([mask(1, 'x', 0), mask(2, 'x', 0), mask(1, 'y', 0), mask(1, 'x', 1)]).size).toBe(4)
  })
})

it('a task vector of weight 1 gives its model back bit for bit', async () => {
  for (const [key, { shape, data }] of dicts[1]!) {
    const base = Float32Array.from(dicts[0]!.get(key)!.data)
    const out = mergeMethods.task_arithmetic!.merge(given([base, Float32Array.from(data)], { base: 0, shape }), values('task_arithmetic', 1, { weight: 1 })) // biome-ignore format: one line
    expect([...out].every((x, i) => Object.is(x, data[i]))).toBe(true)
    expect(sizeOf(shape)).toBe(out.length)
  }
})

it('shards are those of the size told, and nothing is left beside them', async () => {
  const out = join(folder, 'shards')
  await mergeModels(join(fixtures, 'linear.yml'), out, { maxShardBytes: 3000 })
  expect((await readdir(out)).filter((name) => /^model-/.test(name)).length).toBeGreaterThan(2)
  const { params } = await loadCheckpoint(out)
  expectClose(params.embed, golden.get('linear/model.embed_tokens.weight')!, tolerances.golden)
})
