import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FromFile, type Recipe, recipe } from '../recipe/recipe.ts'
import { type Models, openModels } from './open-models.ts'
import { openPreferences } from './open-preferences.ts'
import { openStored } from './stored-source.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-stored-'))
  process.env.INNATE_CACHE = join(folder, 'cache')
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

const sides = [' upon a time', ' sat down', ' ran off and was gone', ' there was']
const pair = (i: number) => ({
  prompt: `Once ${i % 17}`,
  chosen: sides[i % 4],
  rejected: sides[(i + 1) % 4],
  ...(i % 5 === 0 ? { votes: [1, 1] } : i % 7 === 0 ? { votes: [1, 3] } : i % 11 === 0 ? { gap: true } : {}),
})
const labelled = (i: number) => ({ prompt: `Once ${i % 17}`, completion: sides[i % 4], label: i % 3 === 0 })

/** A recipe on rows of its own, with what it is opened with. */
async function withRows(name: string, rows: readonly object[], objective: string, work: (recipe: Recipe, models: Models) => Promise<void>) {
  const file = join(folder, `${name}.jsonl`)
  await writeFile(file, [...rows.map((row) => JSON.stringify(row)), '{', ''].join('\n'))
  const made = recipe({
    model: 'fixtures/llama-tiny',
    preferences: { pairs: file, heldOut: 0.3 },
    objective: { name: objective },
    train: { batch: 4, optimizer: { name: 'adamw', lr: 1e-3 } },
    run: join(folder, name),
  })
  const models = await openModels(made, {}, {})
  await work(made, models).finally(() => models.engine.close())
}

const many = Array.from({ length: 60 }, (_, i) => i)

describe('a file beside memory', () => {
  it.each([
    ['pairs', many.map(pair), 'dpo'],
    ['pairs as completions', many.map(pair), 'kto'],
    ['labelled completions', many.map(labelled), 'kto'],
  ])('gives the examples, the parts and the held-out figure of one in memory: %s', async (name, rows, objective) => {
    await withRows(name, rows, objective, async (made, models) => {
      const from = made.preferences as FromFile
      const [held, stored] = [await openPreferences(from, made, models, {}), await openStored(from, made, models, {})]
      const [{ examples }, { examples: handles, load }] = [await held.examples(), await stored.examples()]
      const loaded = await load!(handles)
      const bare = (all: typeof examples) => all.map(({ reference: _, ...example }) => example)
      expect(bare(loaded)).toEqual(bare(examples))
      const references = (all: typeof examples) => all.flatMap(({ reference }) => reference)
      for (const [i, logp] of references(loaded).entries()) expect(logp).toBeCloseTo(references(examples)[i]!, 4)
      expect(stored.data).toEqual(held.data)
      expect(stored.quarantined).toEqual(held.quarantined)
      expect(stored.shown).toEqual(held.shown)
      const steps = { done: 0, until: undefined }
      expect(await stored.work(steps)).toEqual(await held.work(steps))
      expect(await stored.heldOut()).toMatchObject({ ...(await held.heldOut()) })
      stored.close!()
    })
  })
})
