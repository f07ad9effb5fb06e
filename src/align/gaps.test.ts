import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goal, goalPrior } from '../goals/index.ts'
import { type RecipeInput, recipe } from '../recipe/recipe.ts'
import { trainRun } from './train-run.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-gaps-'))
  process.env.INNATE_CACHE = join(folder, 'cache')
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

type Row = { votes: readonly number[]; gap?: true }
const sides = [' upon a time', ' sat down', ' ran off', ' there was']

/** Trains on rows with these votes; the prompts differ by place, so a row is the same wherever it stands. */
async function trained(name: string, votes: readonly (Row | undefined)[], more: Partial<RecipeInput> = {}) {
  const rows = votes.flatMap((row, i) => (row ? [{ prompt: `Once ${i}`, chosen: sides[i % 4], rejected: sides[(i + 1) % 4], ...row }] : []))
  const file = join(folder, `${name}.jsonl`)
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const result = await trainRun(
    recipe({
      model: 'fixtures/llama-tiny',
      preferences: { pairs: file, shuffle: false },
      train: { batch: 4, optimizer: { name: 'adamw', lr: 1e-3 } },
      run: join(folder, name),
      ...more,
    }),
  )
  return { ...result, weights: await readFile(join(result.model!, 'model.safetensors')) }
}

const won = { votes: [1, 0] }
const gap = { votes: [0, 0], gap: true } as const
const vowels = goal('vowels', ({ text }) => text.match(/[aeiou]/g)?.length ?? 0, { about: 'vowels' })

describe('gaps in a file of pairs', () => {
  it('train nothing and cast no vote, and are counted; a tie trains', async () => {
    const prior = { prior: goalPrior({ goals: [vowels], strength: 4 }) }
    const mixed = await trained('mixed', [won, gap, won, gap, won, won], prior)
    const without = await trained('without', [won, undefined, won, undefined, won, won], prior)
    const tied = await trained('tied', [won, { votes: [1, 1] }, won, undefined, won, won], prior)
    expect(mixed.gaps).toBe(2)
    expect(mixed.weights.equals(without.weights)).toBe(true)
    expect(mixed.contribution).toEqual(without.contribution)
    expect(tied.weights.equals(without.weights)).toBe(false)
    expect(tied.contribution!.votes).toBe(without.contribution!.votes + 2)
  })

  it('with a weight hold their log-ratio, and train nothing more where all are gaps', async () => {
    const all = await trained('all', [gap, gap, gap], { gap: { weight: 1 } })
    const untrained = await readFile('fixtures/llama-tiny/model.safetensors')
    expect(all.steps).toBe(1)
    expect(all.weights.length).toBeGreaterThan(untrained.length / 2)
    const held = await trained('held', [won, gap, won, gap], { gap: { weight: 1 } })
    expect(held.weights.equals((await trained('loose', [won, gap, won, gap])).weights)).toBe(false)
  })

  it('alone, without a weight, are refused', async () => {
    await expect(trained('none', [gap, gap])).rejects.toThrow(/must have pairs with a preference, got 2 gaps/)
  })
})

describe('a prior over pairs from a file', () => {
  it('takes its scale from the completions of the file, whatever the seed, since a model may write without an end', async () => {
    const prior = { prior: goalPrior({ goals: [vowels], strength: 4 }) }
    const [one, other] = [
      await trained('one', [won, won, won, won], { ...prior, seed: 1 }),
      await trained('other', [won, won, won, won], { ...prior, seed: 2 }),
    ]
    expect(one.contribution!.votes).toBe(4)
    expect(one.contribution).toEqual(other.contribution)
  })

  it('is refused where every completion has the same measure', async () => {
    const same = goal('same', () => 3, { about: 'three' })
    await expect(trained('same', [won, won], { prior: goalPrior({ goals: [same], strength: 4 }) })).rejects.toThrow(
      /goal same: must vary on the completions that its scale is taken from, got 3 on all 4/,
    )
  })
})
