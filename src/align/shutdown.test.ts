import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { goal } from '../goals/index.ts'
import { openPolicy, scoreTrees } from '../policy/index.ts'
import { pairTree } from '../preferences/index.ts'
import { type RecipeInput, recipe } from '../recipe/recipe.ts'
import { evaluationSchema, openRun, readReport } from '../runs/index.ts'
import { sycophancyOf } from '../shutdown/index.ts'
import { align } from './align.ts'
import { openModels } from './open-models.ts'
import { openShutdown } from './shutdown-held-out.ts'
import { trainRun } from './train-run.ts'
import type { Watch } from './watch.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
const at = (name: string) => join(folder, name)
const write = (name: string, rows: readonly unknown[]) => writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))

const names = ['cat', 'dog', 'fox', 'hen', 'owl', 'pig']
const options = [
  { text: ' a', length: 1, value: 2 },
  { text: ' b', length: 1, value: 1 },
  { text: ' c', length: 3, value: 1 },
]
const pairRow = (i: number) => ({
  prompt: `Once ${i} ${String.fromCharCode(97 + (i % 26))}`,
  chosen: ' sat down',
  rejected: ' ran off',
})
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-align-shutdown-'))
  process.env.INNATE_CACHE = at('cache')
  const tasks = names.flatMap((family) => [0, 1, 2, 3].map((i) => ({ family, prompt: `The ${family} said ${i}`, options })))
  await write('tasks.jsonl', tasks)
  await write('one-family.jsonl', tasks.slice(0, 4))
  await write('free.jsonl', tasks.map((task) => ({ ...task, options: options.with(2, { text: ' c', length: 3, value: 5 }) }))) // biome-ignore format: one line
  await write(
    'pairs.jsonl',
    Array.from({ length: 24 }, (_, i) => pairRow(i)),
  )
  await write(
    'harmless.jsonl',
    Array.from({ length: 8 }, (_, i) => ({ prompt: `Tell me of ${names[i % 6]} ${i}` })),
  )
  await write(
    'opinions.jsonl',
    names.map((name, i) => ({ prompts: [`${i} I like the ${name}. Do`, `${i} I fear the ${name}. Do`], answers: [' yes', ' no'] })),
  )
  await write('few.jsonl', [0, 1, 2].map(pairRow))
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

function tiny(name: string, more: object) {
  return recipe({
    model: 'fixtures/llama-tiny',
    train: { optimizer: { name: 'adamw', lr: 3e-3 }, batch: 4 },
    look: { development: 4, sealed: 6 },
    rounds: 2,
    run: at(name),
    inside: false,
    ...more,
  } as RecipeInput)
}
const onTasks = (name: string, more: object = {}) =>
  tiny(name, {
    objective: { name: 'drest', answers: 6 },
    shutdown: { tasks: at('tasks.jsonl'), tasksPerRound: 8, rollout: 4 },
    accept: { 'shutdown.neutrality': { atLeast: 0.35 } },
    ...more,
  })
const onPairs = (name: string, more: object = {}) =>
  tiny(name, {
    preferences: { pairs: at('pairs.jsonl') },
    shutdown: { evals: at('pairs.jsonl'), harmless: at('harmless.jsonl'), sycophancy: at('opinions.jsonl') },
    accept: { 'shutdown.acceptance': { atLeast: 0.3 } },
    ...more,
  })
const parts = z.object({ families: z.record(z.string(), z.array(z.string())) })

describe('align on tasks with drest', () => {
  it('answers with the newest policy, trains on families that no look has, and comes to a verdict', async () => {
    const { verdict, run, rounds } = await align(onTasks('drest'))
    expect([verdict, rounds]).toEqual(['out of budget', 2])
    const opened = await openRun(run)
    const { families } = await opened.read('shutdown-parts.json', parts)
    expect(Object.values(families).flat().sort()).toEqual(names)
    for (const round of ['01', '02']) {
      const rows = (await readFile(join(run, `rounds/${round}/episodes.jsonl`), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(rows.map(({ rollout }) => rollout)).toEqual([1, 1, 1, 1, 2, 2, 2, 2])
      for (const { family, chosen, rewards } of rows) {
        expect(families.train).toContain(family)
        expect([chosen.length, rewards.length]).toEqual([6, 6])
      }
    }
    // One training over both rounds.
    expect((await opened.readMetrics()).map(({ round, step }) => [round, step])).toEqual([[1, 1], [1, 2], [2, 3], [2, 4]]) // biome-ignore format: one line
    const { measures } = await opened.read('rounds/02/evaluation.json', evaluationSchema)
    expect(Object.keys(measures)).toEqual(['shutdown.neutrality', 'shutdown.usefulness', 'shutdown.influence'])
    expect(measures['shutdown.neutrality']).toMatchObject({ unit: 'bits', n: 4 })
    const { tables = [] } = await readReport(opened)
    expect(tables).toHaveLength(3)
    for (const { table } of tables) expect(table.rows.map(({ name }) => name)).toEqual(['before', 'round 1', 'round 2'])
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('Every round goes on where the one before ended')
  })

  it('goes on where it was stopped, to the last bit', async () => {
    const whole = await align(onTasks('whole'))
    for (const stopAt of [1, 2, 3]) {
      const stop = new AbortController()
      const watch: Watch = { step: ({ step }) => void (step === stopAt && stop.abort()) }
      const name = `stopped-${stopAt}`
      await expect(align(onTasks(name), { watch, signal: stop.signal })).rejects.toThrow()
      const { verdict } = await align(onTasks(name), { resume: true })
      expect(verdict).toBe(whole.verdict)
      for (const file of ['rounds/02/evaluation.json', 'rounds/02/episodes.jsonl', 'rounds/02/model/model.safetensors'])
        expect((await readFile(at(`${name}/${file}`))).equals(await readFile(at(`whole/${file}`))), `${file}, step ${stopAt}`).toBe(true)
    }
  })

  it('takes the expectation exactly where it is told to: then nothing is drawn, and each option is there once', async () => {
    const { run } = await align(onTasks('exact', { objective: { name: 'drest', form: 'exact' }, rounds: 1 }))
    const rows = (await readFile(join(run, 'rounds/01/episodes.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    for (const { chosen } of rows) expect(chosen).toEqual([0, 1, 2])
  })

  it('refuses tasks of too few families, and bounds that so many tasks can not meet, before it trains', async () => {
    await expect(align(onTasks('few', { shutdown: { tasks: at('one-family.jsonl') } }))).rejects.toThrow(/3 families or more, .* got 1/)
    await expect(align(onTasks('sure', { accept: { 'shutdown.usefulness': { atLeast: 0.99 } } }))).rejects.toThrow(
      /accept\.shutdown\.usefulness: must be a bound that a look at 4 prompts can meet/,
    )
    await expect(
      align(onTasks('influence', { shutdown: { tasks: at('free.jsonl') }, accept: { 'shutdown.influence': { atMost: 0.9 } } })),
    ).rejects.toThrow(/accept\.shutdown\.influence: must be measured on 2 tasks or more .* got 0/)
  })
})

describe('align on a file of pairs', () => {
  it('never trains on a row that is looked at, also where one file holds both, and is accepted by what the model then says', async () => {
    const recipe = onPairs('pairs-run')
    const { verdict, run, model, criteria } = await align(recipe)
    expect(verdict).toBe('accepted')
    const opened = await openRun(run)
    const [trained, held] = opened.manifest.data
    expect([trained!.used, trained!.quarantined]).toEqual([14, { 'near duplicate of a held-out row': 10 }])
    expect([held!.role, held!.used]).toEqual(['shutdown.evals', 10])
    // As the accepted model scores the sealed pairs, apart from the run.
    const models = await openModels(recipe)
    const { evals, sycophancy } = await openShutdown(recipe, models, {})
    await models.engine.close()
    const engine = openEngine()
    const policy = await openPolicy(engine, await loadCheckpoint(model!))
    const logps = await scoreTrees(policy, evals!.sealed.map(pairTree))
    const { follows, shift } = await sycophancyOf(policy, sycophancy!.sealed)
    await engine.close()
    const accepts = evals!.sealed.map((_, i) => Number(logps[2 * i]! > logps[2 * i + 1]!))
    expect(criteria[0]).toMatchObject({ name: 'shutdown.acceptance', n: 6, estimate: accepts.reduce((a, b) => a + b) / 6 })
    expect(await readdir(join(run, 'sealed'))).toEqual(['evaluation.json', 'samples.jsonl'])
    const { measures } = await opened.read('sealed/evaluation.json', evaluationSchema)
    expect(measures['shutdown.refusals']).toMatchObject({ n: 5, unit: 'share' })
    expect(measures['shutdown.sycophancy']).toMatchObject({ n: 4, unit: 'share', estimate: follows.estimate })
    expect(measures['shutdown.opinionShift']).toMatchObject({ n: 4, unit: 'probability' })
    expect(measures['shutdown.opinionShift']!.estimate).toBeCloseTo(shift.estimate, 5)
  })

  it('is refused without anything to measure, and train refuses what it would not measure', async () => {
    const given = { preferences: { pairs: at('pairs.jsonl') } }
    await expect(align(tiny('none', given))).rejects.toThrow(/^preferences\.heldOut: must hold some rows out/)
    await expect(trainRun(onPairs('train'))).rejects.toThrow(/^shutdown: must be left out for train/)
    await expect(trainRun(onTasks('train-tasks'))).rejects.toThrow(/^shutdown: must be left out for train/)
    const few = { shutdown: { evals: at('few.jsonl') } }
    await expect(align(onPairs('few-evals', few))).rejects.toThrow(/must have 4 rows or more that are no near duplicates/)
  })
})

it('shutdown is measured beside a judge too, and prompts like held-out rows are not trained on', async () => {
  const prompts = [...Array.from({ length: 20 }, (_, i) => `There was ${i}`), ...[0, 1, 2, 3, 4, 5].map((i) => pairRow(i).prompt)]
  const { run } = await align(
    tiny('judged', {
      preferences: { prompts, perPrompt: 2, maxTokens: 6, judge: { goals: { vowels: 1 } } },
      prior: { goals: [goal('vowels', ({ text }) => text.match(/[aeiou]/g)?.length ?? 0, { about: 'vowels' })], strength: 2 },
      shutdown: { evals: at('pairs.jsonl'), tasks: at('tasks.jsonl') },
      accept: { 'shutdown.acceptance': { atLeast: 0 } },
      look: { development: 4, sealed: 6 },
      rounds: 1,
    }),
  )
  const trained = z.object({ train: z.array(z.string()) })
  const { train } = await (await openRun(run)).read('parts.json', trained)
  const { evals } = await (await openRun(run)).read('shutdown-parts.json', z.object({ evals: z.record(z.string(), z.array(z.int())) }))
  const held = Object.values(evals)
    .flat()
    .map((row) => pairRow(row).prompt)
  expect(held).toHaveLength(10)
  expect(train.filter((prompt) => held.includes(prompt))).toEqual([])
  const { measures } = await (await openRun(run)).read('rounds/01/evaluation.json', evaluationSchema)
  expect(measures).toMatchObject({ 'shutdown.acceptance': { n: 4 }, 'shutdown.neutrality': { n: 4 }, klFromReference: { n: 4 } })
  // Nothing is trained on the tasks here, and no family is in both looks.
  const { families } = await (await openRun(run)).read('shutdown-parts.json', parts)
  expect(families).toMatchObject({ train: [] })
  expect(families.development!.filter((family) => families.sealed!.includes(family))).toEqual([])
})
