import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { lock, onDisk, parse, readJsonObjects, writeAtomic } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { meanOver } from './compare.ts'
import { estimateSchema } from './schema.ts'
import type { MeasureRow, Table } from './table.ts'
import { workTrials } from './work-trials.ts'

/**
 * A claim as a test that can come out against it: arms that are compared, controls among them that must fail, seeds, and how the numbers
 * decide. It is the default export of a module of its own, which worker processes load.
 */
export interface Experiment {
  readonly name: string
  readonly claim: string
  readonly source: string
  readonly arms: readonly string[]
  /** Arms too: where the claim must not hold. */
  readonly controls: readonly string[]
  readonly seeds: readonly number[]
  /** Runs of each arm and seed; 1 when left out. Seeds are independent, the trials of one seed are not. */
  readonly trials?: number
  /** URLs of further files whose code makes the numbers; a folder of results is gone on with only by the same code. */
  readonly files?: readonly string[]
  /** Numbers that depend on arm, seed and trial and on nothing else. */
  run(arm: string, seed: number, trial: number): Promise<Numbers> | Numbers
  decide(table: Table): Decided
}

export type Numbers = Readonly<Record<string, number>>

const decidedSchema = z.object({ verdict: z.string(), ...estimateSchema.omit({ unit: true }).shape, why: z.string() })
/** What the numbers say of the claim, with the estimate that decided. */
export type Decided = Readonly<z.infer<typeof decidedSchema>>

const trialSchema = z.object({ arm: z.string(), seed: z.number(), trial: z.int(), numbers: z.record(z.string(), z.number()) })
/** One run of one arm. */
export type Trial = Readonly<z.infer<typeof trialSchema>>

export interface ExperimentOptions {
  /** Folder of the results. One that holds a part of them is gone on with. */
  readonly folder: string
  /** Processes, each with one engine thread; all cores when left out. The numbers do not depend on it. */
  readonly workers?: number
  /** After each trial, and once before the first. */
  readonly progress?: (done: number, total: number) => void
  /** Aborted, the processes end and the signal's reason is thrown; what was done is kept. */
  readonly signal?: AbortSignal
}

/**
 * Runs every arm on every seed in worker processes, and decides. `module` is the URL of the file that exports the experiment as default:
 * `import.meta.url` in that file. The folder gets `trials.jsonl`, `table.json` and `decision.json`.
 *
 * throws  UserError when the folder holds another experiment, or a trial fails or returns a number that is not finite
 */
export async function runExperiment(
  experiment: Experiment,
  module: string,
  options: ExperimentOptions,
): Promise<Decided & { table: Table }> {
  const { name, seeds } = experiment
  if (seeds.length < 2)
    throw new UserError(`${name}: an experiment must have at least 2 seeds, got ${seeds.length}; without them there is no interval`)
  const folder = resolve(options.folder)
  await onDisk(folder, 4096, () => mkdir(folder, { recursive: true }))
  const release = await lock(folder)
  try {
    await identify(experiment, module, folder)
    const file = join(folder, 'trials.jsonl')
    const asked = trialsOf(experiment)
    const known = new Map((await readTrials(file)).map((trial) => [keyOf(trial), trial]))
    // Written anew without a line that a kill tore, so that further lines begin on a line of their own.
    await writeTrials(file, [...known.values()])
    const left = asked.filter((trial) => !known.has(keyOf(trial)))
    options.progress?.(asked.length - left.length, asked.length)
    await workTrials(module, left, {
      workers: options.workers ?? availableParallelism(),
      ...(options.signal ? { signal: options.signal } : {}),
      async done(trial) {
        known.set(keyOf(trial), trial)
        const line = `${JSON.stringify(trial)}\n`
        await onDisk(file, line.length, () => appendFile(file, line))
        options.progress?.(known.size, asked.length)
      },
    })
    // In the order asked for, whoever was first.
    const trials = asked.map((trial) => known.get(keyOf(trial))!)
    await writeTrials(file, trials)
    const table = tableOf(experiment, trials)
    const decided = decidedSchema.parse(experiment.decide(table))
    await writeAtomic(join(folder, 'table.json'), `${JSON.stringify(table, null, 2)}\n`)
    await writeAtomic(join(folder, 'decision.json'), `${JSON.stringify(decided, null, 2)}\n`)
    return { ...decided, table }
  } finally {
    await release()
  }
}

/** A row for each arm and number: the mean over seeds with its interval; its values are the seeds', each the mean of its trials. */
export function tableOf(
  { name, arms, controls, seeds }: Pick<Experiment, 'name' | 'arms' | 'controls' | 'seeds'>,
  trials: readonly Trial[],
): Table {
  const rows = [...arms, ...controls].flatMap((arm) => {
    const ofArm = trials.filter((trial) => trial.arm === arm)
    return Object.keys(ofArm[0]?.numbers ?? {}).map((measure): MeasureRow => {
      const values = seeds.map((seed) => {
        const numbers = ofArm.filter((trial) => trial.seed === seed).map((trial) => trial.numbers[measure] ?? Number.NaN)
        return numbers.reduce((sum, x) => sum + x, 0) / numbers.length
      })
      if (!values.every(Number.isFinite))
        throw new UserError(`${name}: every trial of an arm must return the same numbers, got none of ${measure} in ${arm}`)
      const group = { arm, kind: controls.includes(arm) ? 'control' : 'arm' }
      return { name: measure, group, ...meanOver(measure, values), values }
    })
  })
  return { about: `${name}: means over ${seeds.length} seeds`, rows }
}

type Asked = Omit<Trial, 'numbers'>

function trialsOf({ arms, controls, seeds, trials = 1 }: Experiment): Asked[] {
  return [...arms, ...controls].flatMap((arm) =>
    seeds.flatMap((seed) => Array.from({ length: trials }, (_, trial) => ({ arm, seed, trial }))),
  )
}

/** What the folder's numbers are of; a folder of something else is refused. */
async function identify(experiment: Experiment, module: string, folder: string) {
  const { name, claim, source, arms, controls, seeds, trials = 1, files = [] } = experiment
  const texts = await Promise.all([module, ...files].map((url) => readFile(fileURLToPath(url))))
  const code = createHash('sha256').update(Buffer.concat(texts)).digest('hex')
  const mine = { name, claim, source, arms: [...arms], controls: [...controls], seeds: [...seeds], trials, code }
  const file = join(folder, 'experiment.json')
  if (!existsSync(file)) return writeAtomic(file, `${JSON.stringify(mine, null, 2)}\n`)
  const theirs = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  const changed = Object.entries(mine).flatMap(([key, value]) => (isDeepStrictEqual(value, theirs[key]) ? [] : [key]))
  if (changed.length > 0)
    throw new UserError(`${folder}: an experiment goes on as it began, got another ${changed.join(', ')}; name another folder`)
}

/** The trials that were written whole. */
async function readTrials(file: string): Promise<Trial[]> {
  if (!existsSync(file)) return []
  const found: Trial[] = []
  for await (const { line, value } of readJsonObjects(file, { torn: 'leave out' }))
    found.push(parse(`${file}:${line}`, value, trialSchema, 'remove the line, and the trial is run again'))
  return found
}

function writeTrials(file: string, trials: readonly Trial[]): Promise<void> {
  return writeAtomic(file, trials.map((trial) => `${JSON.stringify(trial)}\n`).join(''))
}

function keyOf({ arm, seed, trial }: Asked): string {
  return JSON.stringify([arm, seed, trial])
}
