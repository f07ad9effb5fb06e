import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { recipe } from '../recipe/recipe.ts'
import type { FromFile } from '../recipe/sources.ts'
import { openRewardModel } from '../rewards/index.ts'
import { labelRows } from './label-rows.ts'
import { loadPreferences } from './load-preferences.ts'
import { openModels } from './open-models.ts'
import { trainRun } from './train-run.ts'

const folder = await mkdtemp(join(tmpdir(), 'innate-label-rewards-'))
// A completion is wanted where it says more of six tokens than of six others.
const source = random(1, 'labels')
const rows = Array.from({ length: 120 }, (_, i) => {
  const good = source.uniform(i) < 0.5 ? 3 : 1
  const completion_ids = [
    ...Array.from(source.integers(good, 6, 2 * i), (x) => 2 + x),
    ...Array.from(source.integers(4 - good, 6, 2 * i + 1), (x) => 40 + x),
  ]
  return { prompt_ids: [1, 260 + (i % 60), 260 + 7 * Math.floor(i / 60)], completion_ids, label: good === 3 }
})
const written = async (name: string, given: readonly object[]) => {
  await writeFile(join(folder, name), given.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return join(folder, name)
}
const asked = async (name: string, given: readonly object[], more: object = {}) =>
  recipe({
    model: 'fixtures/llama-tiny',
    preferences: { pairs: await written(`${name}.jsonl`, given), heldOut: 0.25 },
    objective: { name: 'rewardUnpaired' },
    train: { optimizer: { name: 'adamw', lr: 5e-3 }, lora: { rank: 4, alpha: 8 }, epochs: 3, batch: 8 },
    inside: false,
    run: join(folder, name),
    ...more,
  })
const once = { optimizer: { name: 'adamw', lr: 1e-6 }, epochs: 1, batch: 12 }
const head = { name: 'rewardUnpaired', posterior: 'head' }

describe('a reward model from labelled completions', async () => {
  const given = await asked('run', rows)
  const trained = await trainRun(given)

  it('tells held-out ones apart, with its calibration, and says so again', async () => {
    const { accuracy, ece, reliability, completions, wanted, ...more } = trained.heldOut as Extract<
      typeof trained.heldOut,
      { rewardSd: unknown; wanted: unknown }
    >
    expect(completions).toBeGreaterThan(20)
    expect(wanted).toBeGreaterThan(5)
    expect(accuracy.low).toBeGreaterThan(0.6)
    expect(ece.low).toBeLessThanOrEqual(ece.estimate)
    expect(reliability.reduce((sum, { n }) => sum + n, 0)).toBe(completions)
    expect(more.ties).toBe(0)
    expect(more.wantedReward!.low).toBeGreaterThan(more.unwantedReward!.high)
    expect((await trainRun(given, { resume: true })).heldOut).toEqual(trained.heldOut)
    const page = await readFile(join(folder, 'run/report.html'), 'utf8')
    expect(page).toContain('Reliability')
    expect(page).toMatch(/nats a completion; \d+ % of the last step&#39;s scores have the sign of their label/)
  })

  it('is a folder that scores with a doubt of the score itself, more of it for what it was never shown', async () => {
    const model = await openRewardModel(join(folder, 'run'))
    const like = await model.score(rows.slice(0, 40).map(({ prompt_ids, completion_ids }) => [...prompt_ids, ...completion_ids]))
    const right = like.filter(({ value }, i) => value > 0 === rows[i]!.label).length
    expect(right).toBeGreaterThan(32)
    const strange = await model.score(
      rows.slice(0, 40).map((_, i) => [1, ...Array.from(source.integers(30, 50, 10_000 + i), (x) => 265 + x)]),
    )
    const mean = (scored: typeof like) => scored.reduce((sum, { sd }) => sum + sd!, 0) / scored.length
    expect(mean(strange)).toBeGreaterThan(1.1 * mean(like))
    expect(model.posterior!.network!.intercept).toBe(true)
    expect(model.posterior!.center.every((x) => x === 0)).toBe(true)
    await model.close()
  })
})

it('votes for and against a completion make its label soft, and must be for the label', async () => {
  const votes = (i: number, label: boolean) => (label ? [3, 1] : [0, 2 + (i % 2)])
  const given = rows.slice(0, 12).map((row, i) => ({ ...row, votes: votes(i, row.label) }))
  const wrong = { ...rows[12]!, votes: rows[12]!.label ? [1, 4] : [4, 1] }
  const made = await asked('votes', [...given, wrong], { objective: head, train: once })
  expect((await trainRun(made)).quarantined).toEqual({ 'bad votes': 1 })
  expect(await readFile(join(folder, 'votes/quarantine.jsonl'), 'utf8')).toContain('votes must be for the label')
  const models = await openModels(made, {})
  const { rows: read } = await loadPreferences(made.preferences as FromFile, made, models.checkpoint, {})
  const { labelled } = await labelRows(read, made, models)
  expect(labelled.map(({ label }) => label)).toEqual(given.map(({ label }) => (label ? 0.75 : 0)))
  await models.engine.close()
})

it('a file with pairs and labelled completions is refused, and so is one that is all of one label', async () => {
  const pair = { prompt_ids: [1, 2], chosen_ids: [3], rejected_ids: [4] }
  const refused = async (name: string, given: readonly object[], more: object = {}) =>
    trainRun(await asked(name, given, { objective: head, train: once, ...more }))
  await expect(refused('mixed', [...rows.slice(0, 4), pair])).rejects.toThrow(
    /mixed\.jsonl: must hold pairs or unpaired rows for a reward model, not both, got a pair at line 5 after an unpaired row; put them into two files/,
  )
  await expect(refused('mixed pairs', [pair, ...rows.slice(0, 4)], { objective: { name: 'rewardModel' } })).rejects.toThrow(
    /got an unpaired row at line 2 after a pair/,
  )
  await expect(refused('pairs', [pair])).rejects.toThrow(
    /rewardUnpaired needs labelled completions .* got pairs; choose objective rewardModel/,
  )
  await expect(refused('labels', rows, { objective: { name: 'rewardModel' } })).rejects.toThrow(
    /rewardModel needs pairs .* got labelled completions; choose objective rewardUnpaired/,
  )
  await expect(
    refused(
      'wanted',
      rows.filter(({ label }) => label),
    ),
  ).rejects.toThrow(/rewardUnpaired needs completions that are wanted and some that are not, got \d+ that are all wanted; give both/)
})
