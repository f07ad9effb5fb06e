import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gguf } from '@huggingface/gguf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { joinEdits, loadCheckpoint, readEdits, withEdits, writeVector } from '../checkpoints/index.ts'
import { type Model, openModel, openPolicy, scoreTrees } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { renderPage } from '../runs/index.ts'
import type { Activations } from './activations.ts'
import { beatsControls, steer } from './steer.ts'
import { rowActivations, steerDirection } from './steer-directions.ts'
import { coherenceOf, effectOf, steered } from './steer-effect.ts'
import { steerPage } from './steer-page.ts'
import { dealSteerRows, readSteerRows, type SteerRow } from './steer-rows.ts'
import { ablation, actAdd, addition } from './steering-edits.ts'

let model: Model
let folder = ''
beforeAll(async () => {
  model = await openModel('fixtures/llama-tiny')
  folder = await mkdtemp(join(tmpdir(), 'innate-steer-'))
})
afterAll(async () => {
  await model.close()
  await rm(folder, { recursive: true, force: true })
})

const write = async (name: string, rows: readonly object[]) => {
  const file = join(folder, name)
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return file
}
const said = (ends: readonly string[], n = 48) => Array.from({ length: n }, (_, i) => ({ prompt: `The ${'abcdefgh'[i % 8]}${i} is`, completion: ends[i % ends.length] })) // biome-ignore format: one line

describe('rows of two sides', () => {
  it('are tokens of the whole text without an end token, the completion where the prompt’s tokens end', async () => {
    const file = await write('rows.jsonl', [{ prompt: 'Once', completion: ' upon a time' }, { text: 'Once upon' }])
    const [one, other] = (await readSteerRows(file, model)) as [SteerRow, SteerRow]
    const ids = model.ids('Once upon a time')
    expect([...one.tree.prompt, ...one.tree.completions[0]!]).toEqual(ids)
    expect(one.tree.prompt).toEqual(model.ids('Once'))
    expect(other.tree.prompt).toEqual(model.ids('Once upon').slice(0, 1))
  })

  it('are refused by their line', async () => {
    const refused = async (row: object) => readSteerRows(await write('bad.jsonl', [{ text: 'Once upon' }, row]), model)
    await expect(refused({ prompt: 'Once' })).rejects.toThrow(
      /bad\.jsonl:2: must be a JSON object with text, or with prompt and completion/,
    )
    await expect(refused({ prompt: 'Once', completion: '' })).rejects.toThrow(/bad\.jsonl:2: must have 1 token or more before/)
    expect(() => dealSteerRows([], [])).toThrow(/each side must have 2 rows to fit on, 2 to choose on and 2 to measure on, got 0, 0 and 0/)
  })

  it('pairs stay together, and near duplicates', async () => {
    const rows = (await readSteerRows(await write('p.jsonl', said([' good', ' kind'])), model)) as SteerRow[]
    const { paired, ...parts } = dealSteerRows([...rows, rows[0]!], [...rows, rows[0]!], { seed: 3 })
    expect(paired).toBe(true)
    for (const [positive, negative] of Object.values(parts)) expect(positive).toEqual(negative)
    const dealt = Object.values(parts).map(([places]) => places)
    expect(dealt.flat().sort((a, b) => a - b)).toEqual([...rows.keys(), rows.length])
    expect(dealt.some((part) => part.includes(0) && part.includes(rows.length))).toBe(true)
    expect(parts.choose[0].length).toBeCloseTo(parts.measure[0].length / 2, -1)
    expect(dealSteerRows(rows, rows.slice(1)).paired).toBe(false)
  })
})

describe('directions', () => {
  const normal = (name: string, n: number, d: number): Activations => ({ n, d, data: Float64Array.from(random(1, name).normals(n * d)) })
  const shifted = ({ n, d, data }: Activations, v: readonly number[]): Activations => ({ n, d, data: data.map((x, i) => x + v[i % d]!) })

  it('caa is the shift between two clouds, and lat lies along it and points the same way', () => {
    const noise = normal('noise', 400, 4)
    const v = [0, 5, 0, -5]
    const caa = steerDirection('caa', shifted(noise, v), noise, true)
    expectClose(caa, v, tolerances.reordered)
    for (const paired of [true, false]) {
      const lat = steerDirection('lat', shifted(normal('other', 400, 4), v), noise, paired)
      const cosine = lat.reduce((sum, x, i) => sum + x * v[i]!, 0) / Math.hypot(...lat) / Math.hypot(...v)
      expect(cosine).toBeGreaterThan(0.98)
    }
  })

  it('a row’s activation is that of its last token, or the mean over its completion', async () => {
    const [row] = await readSteerRows(await write('one.jsonl', [{ prompt: 'Once', completion: ' upon a time' }]), model)
    const { x } = await model.read('Once upon a time', { x: 'blocks.1.out' })
    const [n, d] = x.shape as [number, number]
    const tokens = row!.tree.completions[0]!.length
    const [last, mean] = await Promise.all((['last', 'mean'] as const).map(async (pool) => (await rowActivations(model, [row!.tree], { pool }))[1]!.data)) // biome-ignore format: one line
    expectClose(last!, x.data.slice((n - 1) * d), tolerances.golden)
    const want = Array.from({ length: d }, (_, i) => Array.from({ length: tokens }, (_, t) => x.data[(n - tokens + t) * d + i]!).reduce((a, b) => a + b, 0) / tokens) // biome-ignore format: one line
    expectClose(mean!, want, tolerances.golden)
  })
})

describe('effects', () => {
  it('are the rise of the difference of both sides; of pairs by pair, else with both intervals put together', () => {
    const before = [new Array<number>(30).fill(-2), new Array<number>(30).fill(-1)] as const
    const rise = Array.from({ length: 30 }, (_, i) => 0.1 + 0.01 * (i % 7))
    const after = [rise.map((x) => x - 2), rise.map((x) => -x - 1)] as const
    const mean = rise.reduce((a, b) => a + b, 0) / 30
    for (const paired of [true, false]) {
      const { estimate, low, high, unit } = effectOf(before, after, paired)
      expect(estimate).toBeCloseTo(2 * mean, 12)
      expect(low).toBeLessThan(estimate)
      expect(high).toBeGreaterThan(estimate)
      expect(unit).toBe('nats per token')
    }
    expect(effectOf(before, before, true)).toMatchObject({ estimate: 0, cannotTell: expect.any(String) })
    expect(coherenceOf(before[0], rise.map((x) => -2 - x), 0.05)).toMatchObject({ estimate: expect.closeTo(mean, 12), before: expect.closeTo(Math.exp(2), 9), coherent: false }) // biome-ignore format: one line
  })

  it('a direction that is fed scores as the edit that is written does', async () => {
    const direction = Float64Array.from(random(2, 'direction').normals(model.config.hiddenSize))
    const trees = [{ prompt: [1, 35, 151], completions: [[194, 286, 113]] }]
    const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
    for (const positions of ['all', 'completion'] as const) {
      const pushed = steered(model, positions)
      const got = await pushed.score(trees, { layer: 1, direction, strength: -1.5 })
      const edit = addition('push', model, { layer: 1, direction, strength: -1.5, positions })
      const want = await scoreTrees(await openPolicy(model.policy.engine, withEdits(checkpoint, [edit])), trees)
      expectClose(got, want.map((sum) => sum / 3), tolerances.teacherForced) // biome-ignore format: one line
      expectClose(await pushed.score(trees), (await scoreTrees(model.policy, trees)).map((sum) => sum / 3), tolerances.teacherForced) // biome-ignore format: one line
    }
  })

  it('steering finds one that does more than random and shuffled ones, and the other way round does the opposite', async () => {
    const stories = await openModel('stories5m')
    const about = ['Tom', 'Lily', 'The dog', 'The bird', 'Sam', 'Mia', 'The cat', 'Ben'].flatMap((who) => ['was', 'felt', 'looked', 'came home and was', 'sat down and was', 'is', 'seemed'].map((how) => `${who} ${how}`)) // biome-ignore format: one line
    const side = async (name: string, words: readonly string[]) =>
      readSteerRows(await write(name, about.map((prompt, i) => ({ prompt, completion: words[i % words.length] }))), stories) // biome-ignore format: one line
    const [happy, sad] = [await side('happy.jsonl', [' very happy.', ' so glad and smiled.']), await side('sad.jsonl', [' very sad.', ' so upset and cried.'])] // biome-ignore format: one line
    const told = await steer(stories, happy, sad, { layers: [3], strengths: [-1, 1, 2], coherence: 0.5, seed: 1 }).finally(() => stories.close()) // biome-ignore format: one line
    expect(told.doses.map(({ layer, strength }) => [layer, strength])).toEqual([-1, 1, 2].map((strength) => [3, strength]))
    const { chosen, controls } = told
    expect(beatsControls(told)).toBe(true)
    expect(beatsControls({ ...told, controls: { ...controls!, random: chosen!.effect } })).toBe(false)
    // What is measured shares no row with what it was chosen by, and is not the same number.
    expect(chosen!.whenChosen.n + chosen!.effect.n + told.rows.fit[0]).toBe(about.length)
    expect(chosen!.whenChosen.estimate).not.toBe(chosen!.effect.estimate)
    expect(chosen!.whenChosen.low).toBe(Math.max(...told.doses.filter(({ coherence }) => coherence.coherent).map(({ whenChosen }) => whenChosen.low))) // biome-ignore format: one line
    expect(chosen!.effect.low).toBeGreaterThan(controls!.random.estimate)
    expect(chosen!.effect.low).toBeGreaterThan(controls!.shuffled.estimate)
    expect(controls!.flipped.high).toBeLessThan(0)
    const page = renderPage(steerPage('stories5m', told))
    for (const words of ['Dose and response', 'Controls', 'sign flipped', `strength ${chosen!.strength}`]) expect(page).toContain(words)
    const [positive, negative] = [await readSteerRows(await write('pos.jsonl', said([' sang'])), model), await readSteerRows(await write('neg.jsonl', said([' ran'])), model)] // biome-ignore format: one line
    // Nothing is coherent where nothing may be lost.
    expect((await steer(model, positive, negative, { layers: [1], strengths: [1], coherence: -1 })).chosen).toBeUndefined()
    await expect(steer(model, positive, negative, { layers: [2] })).rejects.toThrow(
      'steer: layers must be from 0 to 1, got 2; blocks are numbered from 0',
    )
  })
})

describe('edits that steer', () => {
  it('ActAdd adds what two prompts differ by at the first positions, and nothing behind', async () => {
    const edit = await actAdd('love', model, { layer: 0, positive: 'The fox', negative: 'The bird', strength: 2 })
    const [a, b] = await model.read(['The fox', 'The bird'], { x: 'blocks.0.out' })
    const d = model.config.hiddenSize
    const rows = edit.tensors.rows!
    expect(rows.data.slice(0, d).every((x) => x === 0)).toBe(true)
    const n = rows.shape[0]!
    const t = Math.min(a!.x.shape[0]!, b!.x.shape[0]!) - 1
    expectClose(rows.data.slice(t * d, (t + 1) * d), a!.x.data.slice(t * d, (t + 1) * d).map((x, i) => x - b!.x.data[t * d + i]!), tolerances.exact) // biome-ignore format: one line
    expect(n).toBe(Math.max(a!.x.shape[0]!, b!.x.shape[0]!))
  })

  it('are control vectors of llama.cpp, both ways', async () => {
    const direction = random(2, 'v').normals(model.config.hiddenSize)
    const file = join(folder, 'v.gguf')
    await writeVector(file, joinEdits('two', [addition('a', model, { layer: 1, direction, strength: 3 }), addition('b', model, { layer: 1, direction, strength: -1 })])) // biome-ignore format: one line
    const { metadata, tensorInfos } = await gguf(file, { allowLocalFile: true })
    expect(metadata).toMatchObject({ 'general.architecture': 'controlvector', 'controlvector.model_hint': 'llama', 'controlvector.layer_count': 1 }) // biome-ignore format: one line
    expect(tensorInfos.map(({ name }) => name)).toEqual(['direction.1'])
    const [edit] = await readEdits(file, model.config)
    expect(edit!.acts).toEqual([{ kind: 'add', at: ['blocks.1.out'], direction: 'direction.1', strength: 1, positions: 'all' }])
    expectClose(edit!.tensors['direction.1']!.data, direction.map((x) => 2 * x), tolerances.update) // biome-ignore format: one line
    expect((await readFile(file)).length).toBeLessThan(1000)
    await expect(writeVector(file, addition('c', model, { layer: 0, direction, strength: 1 }))).rejects.toThrow(
      /must act after blocks from 1 on, got block 0/,
    )
    await expect(writeVector(file, ablation('d', model, direction))).rejects.toThrow(
      /must add directions after blocks at all positions, got d, which does more/,
    )
    await expect(readEdits(file, { ...model.config, hiddenSize: 32 })).rejects.toThrow(
      /must be for a llama of 2 blocks and width 32, got one for llama, after block 1, of width 64/,
    )
    await expect(readEdits('fixtures/gguf-tiny/model.gguf', model.config)).rejects.toThrow(
      /general\.architecture must be controlvector, got "llama"/,
    )
  })
})
