import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type RecipeInput, recipe } from '../recipe/recipe.ts'
import { evaluationSchema, openRun, readReport } from '../runs/index.ts'
import { align } from './align.ts'
import type { Watch } from './watch.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
const at = (name: string) => join(folder, name)
const write = (name: string, rows: readonly unknown[]) => writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
const prompts = Array.from({ length: 40 }, (_, i) => `Once ${i} ${String.fromCharCode(97 + (i % 26))}`)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-align-pairs-'))
  process.env.INNATE_CACHE = at('cache')
  await write(
    'pairs.jsonl',
    prompts.map((prompt) => ({ prompt, chosen: ' sat down', rejected: ' ran off' })),
  )
  await write(
    'labelled.jsonl',
    prompts.flatMap((prompt) => [
      { prompt, completion: ' sat down', label: true },
      { prompt, completion: ' ran off', label: false },
    ]),
  )
  await write(
    'ties.jsonl',
    prompts.map((prompt) => ({ prompt, chosen: ' sat down', rejected: ' ran off', votes: [1, 1] })),
  )
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

function onFile(name: string, more: object = {}) {
  return recipe({
    model: 'fixtures/llama-tiny',
    preferences: { pairs: at('pairs.jsonl'), heldOut: 0.5 },
    train: { optimizer: { name: 'adamw', lr: 3e-3 }, batch: 4, epochs: 4 },
    look: { development: 10, sealed: 10 },
    accept: { preferenceAccuracy: { atLeast: 0.55 } },
    rounds: 2,
    run: at(name),
    inside: false,
    ...more,
  } as RecipeInput)
}
const parts = z.object({ development: z.array(z.number()), sealed: z.array(z.number()) })

describe('align on a file of pairs', () => {
  it('looks at rows that are not trained on, and accepts on others that were looked at once', async () => {
    const notes: string[] = []
    const watch: Watch = { note: (text) => void notes.push(text) }
    const { verdict, model, criteria, look } = await align(onFile('learned'), { watch })
    expect({ verdict, look, names: criteria.map(({ name }) => name) }).toEqual({
      ...{ verdict: 'accepted', look: 'sealed', names: ['preferenceAccuracy'] },
    })
    expect(model).toBe(join(at('learned'), 'model'))
    expect(notes.filter((note) => /^looks at \d+ and \d+ prompts tell a preference accuracy of 0\.65 from 0\.55 with/.test(note))).toHaveLength(1) // biome-ignore format: one line
    const run = await openRun(at('learned'))
    const { development, sealed } = await run.read('held-out-parts.json', parts)
    expect(development.filter((row) => sealed.includes(row))).toEqual([])
    // Five standard deviations of a binomial count with n = 40 and p = 0.5 are 16.
    expect(Math.abs(development.length + sealed.length - 20)).toBeLessThan(16)
    const { measures, prompts: seen } = await run.read('sealed/evaluation.json', evaluationSchema)
    expect(seen).toBe(sealed.length)
    expect(measures.displacement).toMatchObject({ unit: 'nats', n: sealed.length })
    const trained = new Set((await run.readMetrics()).map((row) => row.round))
    expect(trained).toEqual(new Set([1]))
    expect(JSON.stringify(await readReport(run))).toContain('preferenceAccuracy')
    expect(await readFile(at('learned/report.html'), 'utf8')).toContain('Preference accuracy')
  })

  it('measures labelled completions by their labels', async () => {
    const labelled = onFile('labelled', {
      ...{
        preferences: { pairs: at('labelled.jsonl'), heldOut: 0.5 },
        objective: { name: 'kto' },
        accept: { labelAccuracy: { atLeast: 0.5 } },
      },
    })
    const { criteria } = await align(labelled)
    expect(criteria[0]).toMatchObject({ name: 'labelAccuracy', unit: 'share' })
    expect(criteria[0]!.n).toBeGreaterThan(1)
  })

  it.each([
    ['no row held out', { preferences: { pairs: 'pairs.jsonl' } }, /^preferences\.heldOut: must hold some rows out, on which align looks at the model, got 0/],
    ['no demand', { accept: {} }, /^accept: must demand something, .* for example \{ "preferenceAccuracy": \{ "atLeast": 0\.5 \} \}/],
    ['a win rate', { accept: { winRate: { atLeast: 0.5 } } }, /^accept: must name what is measured \(preferenceAccuracy, displacement, labelAccuracy\), got winRate/],
    ['a gold measure', { gold: { name: 'length', direction: 1 } }, /^gold: must be left out with a file of pairs/],
    ['labels of pairs', { accept: { labelAccuracy: { atLeast: 0.5 } } }, /^accept\.labelAccuracy: must be measured on labelled completions, got .*pairs\.jsonl, which has pairs; bound preferenceAccuracy or displacement/],
    ['votes that all tie', { preferences: { pairs: 'ties.jsonl', heldOut: 0.5 } }, /^preferences\.heldOut: must leave rows with a preference on 2 prompts or more to each look, got 0 and 0/],
    ['a bound out of reach', { accept: { preferenceAccuracy: { atLeast: 0.95 } } }, /^accept\.preferenceAccuracy: must be a bound that a look at \d+ prompts can meet/],
  ])('refuses %s', async (_, more, why) => {
    const { preferences = { pairs: 'pairs.jsonl', heldOut: 0.5 }, ...rest } = more as { preferences?: { pairs: string } }
    await expect((async () => align(onFile('refused', { ...rest, preferences: { ...preferences, pairs: at(preferences.pairs) } })))()).rejects.toThrow(why) // biome-ignore format: one line
  }) // biome-ignore format: a line each
})
