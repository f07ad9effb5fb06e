import { readdir } from 'node:fs/promises'
import { isAbsolute, relative } from 'node:path'
import { type Shown, shownSchema } from './plots/shown.ts'
import type { Run } from './run.ts'
import {
  type Alarm,
  type Audits,
  alarmsFile,
  alarmsSchema,
  auditsSchema,
  type ContributionRow,
  contributionSchema,
  type Evaluation,
  evaluationSchema,
  type Manifest,
  type Metrics,
  type SampleRow,
  sampleSchema,
  type Verdict,
  verdictSchema,
} from './schema.ts'
import { type Times, timesFile, timesSchema } from './times.ts'

/** All that a report says, as plain data; what a run does not have (yet) is left out. */
export interface ReportData {
  readonly manifest: Manifest
  readonly verdict?: Verdict
  /** Development looks in order of rounds, then the sealed look if there was one. */
  readonly evaluations: readonly Evaluation[]
  readonly metrics: readonly Metrics[]
  /** The first prompts, in the order of their file: nothing is picked. */
  readonly samples: readonly SampleRow[]
  /** What prior and votes put into the labels of a training run; of an align run, see its evaluations. */
  readonly contribution?: ContributionRow
  /** Tables of the folder `tables/`, by name: what others measured of the run and want shown. */
  readonly tables?: readonly Shown[]
  /** What was found inside the training, as it went or by a whole audit; that of the newest look. */
  readonly audits?: Audits
  /** Of a training run: what its steps raise. */
  readonly alarms?: readonly Alarm[]
  /** Seconds by what was done. */
  readonly times?: Times
  /** Where the samples are from: the round they show, and the slice of prompts. */
  readonly sampled?: { readonly round: number; readonly look: Evaluation['look'] }
}

/** `rounds/01` for round 1. */
export function roundFolder(round: number): string {
  return `rounds/${String(round).padStart(2, '0')}`
}

/** Collects what a run folder holds for its report; samples are those of the sealed look, or of the last round before it. */
export async function readReport(run: Run, options: { samples?: number } = {}): Promise<ReportData> {
  const folders: string[] = []
  for (let round = 1; run.has(roundFolder(round)); round++) folders.push(roundFolder(round))
  if (run.has('sealed')) folders.push('sealed')
  const evaluations: Evaluation[] = []
  for (const folder of folders)
    if (run.has(`${folder}/evaluation.json`)) evaluations.push(await run.read(`${folder}/evaluation.json`, evaluationSchema))
  const tables: Shown[] = []
  if (run.has('tables'))
    for (const file of (await readdir(await run.path('tables'))).toSorted())
      if (file.endsWith('.json')) tables.push(await run.read(`tables/${file}`, shownSchema))
  const verdict = run.has('verdict.json') ? await run.read('verdict.json', verdictSchema) : undefined
  const from = ['.', ...folders].filter((folder) => run.has(`${folder}/samples.jsonl`)).at(-1)
  const audited = ['.', ...folders].filter((folder) => run.has(`${folder}/audits.json`)).at(-1)
  const shown = evaluations.at(-1)
  return {
    manifest: withRelativePaths(run.manifest),
    ...(verdict && { verdict }),
    ...(run.has('contribution.json') && { contribution: await run.read('contribution.json', contributionSchema) }),
    evaluations,
    metrics: await run.readMetrics(),
    ...(tables.length > 0 && { tables }),
    ...(audited && { audits: await run.read(`${audited}/audits.json`, auditsSchema) }),
    ...(run.has(alarmsFile) && { alarms: await run.read(alarmsFile, alarmsSchema) }),
    ...(run.has(timesFile) && { times: await run.read(timesFile, timesSchema) }),
    samples: from ? (await run.readRows(`${from}/samples.jsonl`, sampleSchema)).slice(0, options.samples ?? 8) : [],
    ...(shown && { sampled: { round: shown.round, look: from === 'sealed' ? 'sealed' : 'development' } }),
  }
}

/** A manifest for people: paths of this machine as they are called from the folder that one stands in. */
function withRelativePaths(manifest: Manifest): Manifest {
  const { command, model, data, recipe } = manifest
  return {
    ...manifest,
    command: command.split(' ').map(called).join(' '),
    model: { ...model, name: called(model.name) },
    data: data.map((file) => ({ ...file, path: called(file.path) })),
    recipe: JSON.parse(JSON.stringify(recipe), (_, value) => (typeof value === 'string' ? called(value) : value)),
  }
}

function called(path: string): string {
  return isAbsolute(path) && !/\s/.test(path) ? relative('', path) || '.' : path
}
