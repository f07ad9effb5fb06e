import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, writeEdit } from '../checkpoints/index.ts'
import { type Model, openModel, sampleCompletions } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { renderPage } from '../runs/index.ts'
import { das, findingOfDas } from './das.ts'
import { dasPage } from './das-page.ts'
import type { InterchangeRow } from './interchange.ts'
import { dealInterchangeRows, readInterchangeRows } from './interchange-rows.ts'
import { dot } from './subspace.ts'
import { holding, loadSubspace } from './subspace-edit.ts'

let model: Model
let folder = ''
beforeAll(async () => {
  model = await openModel('fixtures/llama-tiny')
  folder = await mkdtemp(join(tmpdir(), 'innate-das-'))
})
afterAll(async () => {
  await model.close()
  await rm(folder, { recursive: true, force: true })
})

/** Random texts after which the model says one of two tokens; the answer is what it says after the source. */
async function planted(n: number) {
  const drawn = random(3, 'das/texts').integers(4 * 1500, 300)
  const texts = Array.from({ length: 1500 }, (_, i) => [1, ...Array.from(drawn.slice(4 * i, 4 * i + 4), (id) => 3 + id)])
  const said = (await sampleCompletions(model.policy, texts, { temperature: 0, maxTokens: 1, eosIds: [], seed: 0 })).map(([one]) => one!.ids[0]!) // biome-ignore format: one line
  const counts = new Map<number, number>()
  for (const id of said) counts.set(id, (counts.get(id) ?? 0) + 1)
  const [a, b] = [...counts].sort(([, x], [, y]) => y - x).map(([id]) => id) as [number, number]
  const places = said.flatMap((id, i) => (id === a || id === b ? [i] : [])).slice(0, 2 * n)
  expect(places).toHaveLength(2 * n)
  const rows = Array.from({ length: n }, (_, i): InterchangeRow => {
    const [base, source] = [places[2 * i]!, places[2 * i + 1]!]
    const answer = said[source]!
    return { base: texts[base]!, source: texts[source]!, basePosition: 4, sourcePosition: 4, answer, wrong: answer === a ? b : a }
  })
  return { a, b, rows }
}

describe('distributed alignment search', () => {
  const tap = 'blocks.1.out'

  it('finds the direction that is known to decide', async () => {
    const { a, b, rows } = await planted(64)
    const found = await das(model, rows, { tap, steps: 60, lr: 0.05, seed: 1 })
    const { params } = await loadCheckpoint('fixtures/llama-tiny')
    const d = model.config.hiddenSize
    // What the last block writes is normed and weighed, then met by the rows of both tokens.
    const wanted = Float64Array.from({ length: d }, (_, i) => params.norm!.data[i]! * (params.embed.data[a * d + i]! - params.embed.data[b * d + i]!)) // biome-ignore format: one line
    expect(Math.abs(dot(found.basis[0]!, wanted)) / Math.sqrt(dot(wanted, wanted))).toBeGreaterThan(0.7)
    expect(found.whole.estimate).toBe(1)
    expect(found.iia.estimate).toBeGreaterThan(Math.max(found.none.estimate, found.controls.random.estimate))
    expect(found.rows).toEqual({ fit: 32, heldOut: 32, split: 'texts' })
    expect(found.finding).toBe(findingOfDas(found.iia, found.controls))

    const page = renderPage(dasPage('llama-tiny', [{ ...found, finding: 'explained' }]))
    for (const words of ['A subspace that carries it', tap, 'arbitrary labels', 'Every control stays below']) expect(page).toContain(words)

    const file = join(folder, 'subspace.safetensors')
    await writeEdit(file, holding('subspace', model, found))
    const read = await loadSubspace(file)
    expect(read.tap).toBe(tap)
    expectClose(read.basis[0]!, found.basis[0]!, tolerances.update)
    // Under the edit every token has what the rows have on average along it.
    const under = await openModel('fixtures/llama-tiny', { edit: file })
    try {
      const { x } = await under.read('Once upon a time', { x: tap })
      const r = found.basis[0]!
      const along = Array.from({ length: x.shape[0]! }, (_, t) => dot(r, x.data.slice(t * d, (t + 1) * d)))
      expectClose(along, along.map(() => dot(r, found.mean)), tolerances.golden) // biome-ignore format: one line
    } finally {
      await under.close()
    }
  })

  it('cannot tell where nothing can be moved: the begin token is the same in every text', async () => {
    const rows = (await planted(24)).rows.map((row) => ({ ...row, basePosition: 0, sourcePosition: 0 }))
    const found = await das(model, rows, { tap, steps: 3, seed: 1 })
    expect(found.iia).toEqual(found.none)
    expect(found.finding).toBe('cannot tell')
    expect(renderPage(dasPage('llama-tiny', [found]))).toContain('No subspace is shown')
  })

  it('explains only where every control’s interval lies below', () => {
    const at = (low: number, high: number) => ({ estimate: (low + high) / 2, low, high, n: 50, unit: 'share' })
    const controls = { arbitrary: at(0.4, 0.6), reinitialised: at(0.3, 0.5), random: at(0.45, 0.55) }
    expect(findingOfDas(at(0.61, 0.9), controls)).toBe('explained')
    for (const name of Object.keys(controls))
      expect(findingOfDas(at(0.61, 0.9), { ...controls, [name]: at(0.4, 0.62) })).toBe('cannot tell')
  })
})

describe('rows of interchanges', () => {
  const write = async (rows: readonly object[]) => {
    const file = join(folder, 'rows.jsonl')
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return file
  }
  const row = { base: 'Once upon', source: 'The fox', answer: ' a', wrong: ' the' }

  it('are texts as every text is read, with positions from either end', async () => {
    const stories = await openModel('stories5m')
    try {
      const file = await write([row, { ...row, base_position: 1, source_position: -2 }, row, row])
      const [one, other] = await readInterchangeRows(file, stories)
      expect(one).toMatchObject({ base: stories.ids('Once upon'), basePosition: stories.ids('Once upon').length - 1, sourcePosition: stories.ids('The fox').length - 1 }) // biome-ignore format: one line
      expect(one!.answer).toBe(stories.ids('Once upon a').at(-1))
      expect(other).toMatchObject({ basePosition: 1, sourcePosition: stories.ids('The fox').length - 2 })
      const refused = async (bad: object) => readInterchangeRows(await write([row, bad, row, row]), stories)
      await expect(refused({ base: 'Once' })).rejects.toThrow(/rows\.jsonl:2: must be a JSON object with base, source, answer and wrong/)
      await expect(refused({ ...row, answer: ' extraordinary things' })).rejects.toThrow(/rows\.jsonl:2: answer: must be one token after the text/) // biome-ignore format: one line
      await expect(refused({ ...row, base_position: 99 })).rejects.toThrow(/rows\.jsonl:2: a position of base must be from 0 to \d+, or from -1 back, got 99/) // biome-ignore format: one line
      await expect(readInterchangeRows(await write([row]), stories)).rejects.toThrow(/must hold four rows or more, .* got 1/)
    } finally {
      await stories.close()
    }
  })

  it('lie in one part with those they share a text with, where that can be', () => {
    const of = (base: number, source: number): InterchangeRow => ({ base: [1, base], source: [1, source], basePosition: 1, sourcePosition: 1, answer: 4, wrong: 5 }) // biome-ignore format: one line
    const chains = Array.from({ length: 10 }, (_, i) => [of(100 * i, 100 * i + 1), of(100 * i + 1, 100 * i + 2)]).flat()
    const { fit, heldOut, split } = dealInterchangeRows(chains, { seed: 2 })
    expect(split).toBe('texts')
    expect(fit).toHaveLength(10)
    for (const group of heldOut) expect(group.map((i) => i >> 1)).toEqual([group[0]! >> 1, group[0]! >> 1])
    const all = dealInterchangeRows(Array.from({ length: 9 }, (_, i) => of(i % 3, 10 + Math.floor(i / 3)))) // biome-ignore format: one line
    expect(all.split).toBe('rows')
    expect([...all.fit, ...all.heldOut.flat()].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })
})
