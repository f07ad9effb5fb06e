import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { loadSteps } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import { recipe } from '../recipe/index.ts'
import { openRewardModel } from '../rewards/index.ts'
import { trainRun } from './train-run.ts'

const folder = await mkdtemp(join(tmpdir(), 'innate-steps-'))
const source = random(1, 'steps')
// A step is right where it says that all is well.
const rows = Array.from({ length: 60 }, (_, i) => {
  const labels = Array.from({ length: 1 + Math.floor(3 * source.uniform(i)) }, (_, k) => source.uniform(i, k + 1) < 0.6)
  return { prompt: `Sum ${i}: ${'abcdefgh'[i % 8]}?`, completions: labels.map((label) => (label ? 'it is well' : 'oh no no')), labels }
})
const bad = [
  { prompt: 'a', completions: ['b', 'c', 'd'], labels: [true, false] },
  { prompt: 'a', completions: ['b', ''], labels: [true, false] },
  { prompt: 'a', completions: [], labels: [] },
  { prompt: 'a', completions: ['b'], labels: [1] },
  { prompt: 'a', completions: 'b', labels: [true] },
]
const written = async (name: string, given: readonly object[]) => {
  await writeFile(join(folder, name), given.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return join(folder, name)
}
const asked = async (name: string, given: readonly object[], more: object = {}) =>
  recipe({
    model: 'fixtures/llama-tiny',
    preferences: { pairs: await written(`${name}.jsonl`, given), heldOut: 0.25 },
    objective: { name: 'rewardSteps' },
    train: { optimizer: { name: 'adamw', lr: 5e-3 }, lora: { rank: 4, alpha: 8 }, epochs: 4, batch: 8 },
    inside: false,
    run: join(folder, name),
    ...more,
  })

describe('a reward model from completions in steps', async () => {
  const given = await asked('run', [...rows, ...bad])
  const trained = await trainRun(given)
  type Measured = Extract<typeof trained.heldOut, { rightReward?: unknown }>

  it('tells held-out steps apart, and says so again; rows that cannot be used are set aside by name', async () => {
    const { accuracy, ece, steps, right, solutions } = trained.heldOut as Measured
    expect(steps).toBeGreaterThan(solutions)
    expect(right).toBeGreaterThan(5)
    expect(accuracy.low).toBeGreaterThan(0.6)
    expect(ece.low).toBeLessThanOrEqual(ece.estimate)
    expect((await trainRun(given, { resume: true })).heldOut).toEqual(trained.heldOut)
    expect(trained.quarantined).toEqual({ 'wrong shape': 4, 'empty completion': 1 })
    const aside = await readFile(join(folder, 'run/quarantine.jsonl'), 'utf8')
    expect(aside).toContain('labels: must be one for each of 3 steps, got 2')
    expect(aside).toContain('completions.1: must have text, got none')
    expect(aside).toContain('completions: must have a step, got none')
    const page = await readFile(join(folder, 'run/report.html'), 'utf8')
    expect(page).toMatch(/nats a step; \d+ % of the last step&#39;s scores have the sign of their label/)
  })

  it('the first loss is that of scores of 0, and the score of a step is that of what was said up to its end', async () => {
    const [first] = (await readFile(join(folder, 'run/metrics.jsonl'), 'utf8')).split('\n').map((line) => line && JSON.parse(line))
    expect(first.loss).toBeCloseTo(Math.LN2, 5)
    expect(first.stepAccuracy).toBeCloseTo(0.5, 5)
    const model = await openRewardModel(join(folder, 'run'))
    const { examples } = await loadSteps(join(folder, 'run.jsonl'), model.checkpoint)
    const all = examples.flatMap(({ prompt, completion, steps }) =>
      steps.map(({ end, label }) => ({ ids: [...prompt, ...completion.slice(0, end)], label })),
    )
    const scored = await model.score(all.map(({ ids }) => ids))
    const right = scored.filter(({ value }, i) => value > 0 === all[i]!.label).length
    expect(right / all.length).toBeGreaterThan(0.9)
    await model.close()

    // Trained on from there, the first loss is the mean over steps of what these scores cost.
    const again = { optimizer: { name: 'adamw', lr: 1e-9 }, lora: { rank: 1, alpha: 1 }, epochs: 1, batch: rows.length }
    const preferences = { pairs: join(folder, 'run.jsonl') }
    const objective = { name: 'rewardSteps', posterior: 'head' }
    await trainRun(await asked('on', rows, { model: join(folder, 'run/model'), preferences, objective, train: again }))
    const [{ loss, stepAccuracy }] = JSON.parse(`[${(await readFile(join(folder, 'on/metrics.jsonl'), 'utf8')).trim()}]`)
    const cost = scored.map(({ value }, i) => Math.log1p(Math.exp(all[i]!.label ? -value : value)))
    expect(loss).toBeCloseTo(cost.reduce((a, b) => a + b) / cost.length, 4)
    expect(stepAccuracy).toBeCloseTo(right / all.length, 5)
  })
})

it('every step is tokenised by itself and ends with a line end', async () => {
  const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
  const { tokenizer } = checkpoint
  const { examples } = await loadSteps(
    await written('one.jsonl', [{ prompt: 'a', completions: ['b c', 'd'], labels: [true, false] }]),
    checkpoint,
  )
  const ids = (text: string) => tokenizer.encode(text, { special: false })
  const first = [...ids('b c'), ...ids('\n')]
  expect(examples[0]).toMatchObject({ row: 0, prompt: tokenizer.encode('a'), completion: [...first, ...ids('d'), ...ids('\n')] })
  expect(examples[0]!.steps).toEqual([{ end: first.length, label: true }, { end: examples[0]!.completion.length, label: false }]) // biome-ignore format: one line
})

it('what does not go with steps is refused by name', async () => {
  const pair = { prompt: 'a', chosen: 'b', rejected: 'c' }
  await expect(trainRun(await asked('pairs', [pair]))).rejects.toThrow(
    /at least one row of steps .* got none of 1 \(1 wrong shape\).*completions: missing/,
  )
  await expect(trainRun(await asked('dpo', rows, { objective: { name: 'dpo' } }))).rejects.toThrow(
    /got steps \(completions, labels\); objective rewardSteps reads these/,
  )
  await expect(
    trainRun(
      await asked('right', [{ prompt: 'a', completions: ['b'], labels: [true] }], { preferences: { pairs: join(folder, 'right.jsonl') } }),
    ),
  ).rejects.toThrow(/rewardSteps needs steps that are right and some that are not, got 1 that are all right/)
  await expect(trainRun(await asked('prior', rows, { prior: { goals: ['length'], strength: 5 } }))).rejects.toThrow(
    /^prior: must be left out with rewardSteps, got one/,
  )
  await expect(trainRun(await asked('cut', rows, { preferences: { pairs: join(folder, 'cut.jsonl'), truncate: 'end' } }))).rejects.toThrow(
    /^preferences\.truncate: must be left out with rewardSteps/,
  )
})
