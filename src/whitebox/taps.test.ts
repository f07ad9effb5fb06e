import { existsSync } from 'node:fs'
import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { readSafetensors } from '../checkpoints/index.ts'
import type { Tensor } from '../graph/index.ts'
import { at, openModel } from '../policy/index.ts'
import { streamTaps } from './taps.ts'

const model = await openModel('fixtures/llama-tiny')
afterAll(() => model.close())
const folder = await mkdtemp(join(tmpdir(), 'innate-taps-'))
const said = ['Once upon a time', 'The cat', 'There was a little girl who had a red ball and a dog', 'Once']
const texts = said.map((text) => ({ ids: model.ids(text) }))
const { heads, headDim, hiddenSize: d, layers } = model.config
const names = 'blocks.*.out,final,blocks.1.attn.z,blocks.0.attn.k'

/** What `read` has of a text with the token before the head, one row a token. */
async function expected(text: string, tap: string): Promise<number[][]> {
  const { x } = await model.read(text, { x: tap })
  const [first, second] = x.shape as [number, number]
  if (x.shape.length === 2) return Array.from({ length: first }, (_, t) => [...at(x, t).data])
  return Array.from({ length: second }, (_, t) => Array.from({ length: first }, (_, h) => [...at(x, h, t).data]).flat())
}

const rowsOf = ({ shape: [n], data }: Tensor) =>
  Array.from({ length: n! }, (_, i) => [...data.slice((i * data.length) / n!, ((i + 1) * data.length) / n!)])

describe('streamTaps', () => {
  it.each(['f32', 'f16'] as const)('every token of all texts in order, as they are read one by one, in %s', async (dtype) => {
    const to = join(folder, `all-${dtype}.safetensors`)
    const shapes = await streamTaps(model, texts, { taps: names, to, dtype })
    const found = await readSafetensors(to)
    const total = texts.reduce((sum, { ids }) => sum + ids.length, 0)
    expect([...found.keys()].toSorted()).toEqual(Object.keys(shapes).toSorted())
    expect(shapes).toMatchObject({ 'blocks.0.out': [total, d], final: [total, d], 'blocks.1.attn.z': [total, heads, headDim] })
    expect(Object.keys(shapes).filter((name) => name.endsWith('.out')).length).toBe(layers)
    expect([...found.get('tokens')!.data]).toEqual(texts.flatMap(({ ids }) => ids))
    expect([...found.get('text')!.data]).toEqual(texts.flatMap(({ ids }, i) => ids.map(() => i)))
    expect([...found.get('position')!.data]).toEqual(texts.flatMap(({ ids }) => ids.map((_, t) => t)))
    expect(found.get('tokens')!.dtype).toBe('i32')
    for (const tap of ['blocks.0.out', `blocks.${layers - 1}.out`, 'final', 'blocks.1.attn.z', 'blocks.0.attn.k']) {
      const wanted = (await Promise.all(said.map((text) => expected(text, tap)))).flat(2)
      const half = { absolute: 1e-5, relative: 2 ** -11 + 1e-5, why: 'a half has 11 bits' }
      expectClose(found.get(tap)!.data, wanted, dtype === 'f16' ? half : tolerances.plainly, tap)
    }
  })

  it('the last token alone: one row a text', async () => {
    const to = join(folder, 'last.safetensors')
    await streamTaps(model, texts, { taps: names, to, positions: 'last' })
    const found = await readSafetensors(to)
    expect([...found.get('text')!.data]).toEqual([0, 1, 2, 3])
    expect([...found.get('tokens')!.data]).toEqual(texts.map(({ ids }) => ids.at(-1)))
    expect([...found.get('position')!.data]).toEqual(texts.map(({ ids }) => ids.length - 1))
    for (const tap of ['final', 'blocks.1.attn.z']) {
      const wanted = (await Promise.all(said.map((text) => expected(text, tap)))).map((rows) => rows.at(-1)!)
      expectClose(found.get(tap)!.data, wanted.flat(), tolerances.plainly, tap)
    }
  })

  it('a pattern of one text, at every token and at the last', async () => {
    const [one] = texts
    const keys = one!.ids.length
    const { x } = await model.read(said[0]!, { x: 'blocks.1.attn.pattern' })
    const all = join(folder, 'pattern.safetensors')
    expect(await streamTaps(model, [one!], { taps: 'blocks.1.attn.pattern', to: all })).toMatchObject({
      'blocks.1.attn.pattern': [keys, heads, keys],
    })
    const rows = rowsOf((await readSafetensors(all)).get('blocks.1.attn.pattern')!)
    expectClose(rows[2]!.slice(keys, 2 * keys), at(x, 1, 2).data, tolerances.plainly)
    const last = join(folder, 'pattern-last.safetensors')
    expect(await streamTaps(model, [one!], { taps: 'blocks.1.attn.pattern', to: last, positions: 'last' })).toMatchObject({
      'blocks.1.attn.pattern': [1, heads, keys],
    })
    const [only] = rowsOf((await readSafetensors(last)).get('blocks.1.attn.pattern')!)
    for (let h = 0; h < heads; h++) expectClose(only!.slice(h * keys, (h + 1) * keys), at(x, h, -1).data, tolerances.plainly)
  })

  it('refuses what it cannot write, and leaves nothing', async () => {
    const to = join(folder, 'none.safetensors')
    await expect(streamTaps(model, texts, { taps: 'blocks.0.attn.pattern', to })).rejects.toThrow(/one text must be given, got 4/)
    await expect(streamTaps(model, texts, { taps: 'blocks.0.outt', to })).rejects.toThrow(/did you mean blocks.0.out\?/)
    const large = model.with((_, x) => x.mul(1e6), { at: 'final' })
    await expect(streamTaps(large, texts, { taps: 'final', to, dtype: 'f16' })).rejects.toThrow(
      /^final: f16 holds numbers of up to 65504, got -?\d/,
    )
    expect(existsSync(to)).toBe(false)
    const abort = new AbortController()
    const onBatch = () => abort.abort(new Error('stop'))
    const many = Array.from({ length: 200 }, () => texts).flat()
    await expect(streamTaps(model, many, { taps: 'final', to, onBatch, signal: abort.signal })).rejects.toThrow('stop')
    expect(existsSync(to)).toBe(false)
  })

  it('a batch is written while the next is computed, each to its own place', async () => {
    const to = join(folder, 'many.safetensors')
    const many = Array.from({ length: 400 }, (_, i) => ({ ids: model.ids(`${said[i % 4]} ${'x'.repeat(i % 30)}`) }))
    await streamTaps(model, many, { taps: 'embed', to })
    const found = await readSafetensors(to)
    const rows = rowsOf(found.get('embed')!)
    const of = new Map<number, number[]>()
    for (const [i, id] of found.get('tokens')!.data.entries()) {
      expect(of.get(id) ?? rows[i]).toEqual(rows[i])
      of.set(id, rows[i]!)
    }
  })
})

it('memory holds a batch, however many texts there are', async () => {
  const many = Array.from({ length: 1500 }, (_, i) => texts[i % texts.length]!)
  /** Bytes of arrays as batches go by: the most in the last quarter over the most in the first. */
  const growth = async (read: (onBatch: (done: number, of: number) => void) => Promise<unknown>) => {
    const most = [0, 0]
    await read((done, of) => {
      const part = done <= of / 4 ? 0 : done > (3 * of) / 4 ? 1 : undefined
      if (part !== undefined) most[part] = Math.max(most[part]!, process.memoryUsage().arrayBuffers)
    })
    return most[1]! - most[0]!
  }
  const to = join(folder, 'bound.safetensors')
  const streamed = await growth((onBatch) => streamTaps(model, many, { taps: names, to, onBatch }))
  const written = (await stat(to)).size
  expect(written).toBeGreaterThan(2e7)
  expect(streamed).toBeLessThan(written / 10)
})
