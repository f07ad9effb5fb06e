import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { recipe } from '../recipe/index.ts'
import { openRewardModel } from '../rewards/index.ts'
import { align } from './align.ts'
import { trainRun } from './train-run.ts'

const folder = await mkdtemp(join(tmpdir(), 'innate-train-reward-'))
const pairs = join(folder, 'pairs.jsonl')
// A reward that is known: how many of six tokens a completion says, of four that are of these or of six others. Votes follow it.
const source = random(1, 'pairs')
const rows = Array.from({ length: 160 }, (_, i) => {
  const side = (good: number, place: number) => [
    ...Array.from(source.integers(good, 6, 3 * i + place), (x) => 2 + x),
    ...Array.from(source.integers(4 - good, 6, 3 * i + place), (x) => 40 + x),
  ]
  const good = 1 + Math.floor(4 * source.uniform(i))
  const worse = Math.floor(good * source.uniform(i, 1))
  return { prompt_ids: [1, 260 + (i % 50), 260 + 7 * Math.floor(i / 50)], chosen_ids: side(good, 0), rejected_ids: side(worse, 1) }
})
await writeFile(pairs, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
const asked = (more: object = {}) =>
  recipe({
    model: 'fixtures/llama-tiny',
    preferences: { pairs, heldOut: 0.25 },
    objective: { name: 'rewardModel' },
    train: { optimizer: { name: 'adamw', lr: 5e-3 }, lora: { rank: 4, alpha: 8 }, epochs: 3, batch: 8 },
    inside: false,
    run: join(folder, 'run'),
    ...more,
  })

describe('a reward model from a file of pairs', async () => {
  const trained = await trainRun(asked())

  it('ranks held-out pairs, with its calibration, and says so again', async () => {
    expect(trained.heldOut).toMatchObject({
      pairs: 47,
      ties: 0,
      gaps: 0,
      accuracy: { n: 47, unit: 'share' },
      ece: { n: 47, unit: 'share' },
    })
    const { accuracy, ece, reliability } = trained.heldOut as Extract<typeof trained.heldOut, { ece: unknown }>
    expect(accuracy.low).toBeGreaterThan(0.6)
    expect(ece.low).toBeLessThanOrEqual(ece.estimate)
    expect(reliability.reduce((sum, { n }) => sum + n, 0)).toBe(47)
    expect((await trainRun(asked(), { resume: true })).heldOut).toEqual(trained.heldOut)
    const page = await readFile(join(folder, 'run/report.html'), 'utf8')
    expect(page).toContain('Reliability')
    expect(page).toMatch(/nats a pair and the margin of the scores to .* of the last step&#39;s pairs are ranked as they were voted/)
    expect(page).not.toContain('on the side of their label')
  })

  it('is a folder that scores with doubt, more of it for what it was never shown', async () => {
    const model = await openRewardModel(join(folder, 'run'))
    const some = rows.slice(0, 40)
    const like = await model.score(some.map(({ prompt_ids, chosen_ids }) => [...prompt_ids, ...chosen_ids]))
    const strange = await model.score(some.map((_, i) => [1, ...Array.from(source.integers(30, 50, 10_000 + i), (x) => 265 + x)]))
    const mean = (scored: typeof like) => scored.reduce((sum, { sd }) => sum + sd!, 0) / scored.length
    expect(mean(strange)).toBeGreaterThan(1.1 * mean(like))
    await model.close()
  })
})

it('a margin is read from its column, and a row whose margin is no number is set aside by name', async () => {
  const file = join(folder, 'margins.jsonl')
  const given = [...rows.slice(0, 12).map((row) => ({ ...row, margin: 4 })), { ...rows[12], margin: 'far' }]
  await writeFile(file, given.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const none = { ...asked().train, epochs: 1, batch: 12, optimizer: { name: 'adamw', lr: 1e-6 } } as const
  const short = (pairs: string, objective: string, run: string) =>
    trainRun(
      asked({
        preferences: { pairs },
        objective: { name: objective, ...(objective === 'dpo' ? {} : { posterior: 'head' }) },
        train: none,
        run: join(folder, run),
      }),
    )
  const { quarantined } = await short(file, 'rewardModel', 'margins')
  expect(quarantined).toEqual({ 'bad votes': 1 })
  expect(await readFile(join(folder, 'margins/quarantine.jsonl'), 'utf8')).toContain('margin must be a finite number, got \\"far\\"')
  const [first] = (await readFile(join(folder, 'margins/metrics.jsonl'), 'utf8')).split('\n')
  // All scores are 0 before the first step.
  expect(JSON.parse(first!).loss).toBeCloseTo(Math.log1p(Math.exp(4)), 5)
  // To an objective that learns from no margin a column of that name is any other.
  expect((await short(file, 'dpo', 'no-margins')).quarantined).toEqual({})
})

it('align needs an objective of a policy', async () => {
  await expect(align(asked({ run: join(folder, 'align'), accept: { preferenceAccuracy: { atLeast: 0.5 } } }))).rejects.toThrow(
    /^objective\.name: must be an objective of a policy for align, got rewardModel/,
  )
})
