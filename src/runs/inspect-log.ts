import { strToU8, zipSync } from 'fflate'
import { hashText, writeAtomic } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'

/** A value that was given to a sample, and why; a number that is not finite is left out. */
export interface InspectScore {
  readonly value: string | number | boolean
  /** What is shown beside the input. */
  readonly answer?: string
  readonly explanation?: string
}

/** One thing that was asked, as Inspect calls it: a row of its table. */
export interface InspectSample {
  /** Unique in the log. */
  readonly id: string
  readonly input: string
  readonly target: string
  /** What a model said to the input, where one was asked. */
  readonly said?: string
  readonly scores: Readonly<Record<string, InspectScore>>
  readonly metadata: Readonly<Record<string, unknown>>
}

/** What was measured, in the terms of Inspect: a task, its samples with their scores, and the metrics over all of them. */
export interface InspectLog {
  readonly task: string
  /** A sentence on what the task asks. */
  readonly about: string
  readonly model: string
  readonly dataset: string
  readonly created: Date
  readonly samples: readonly InspectSample[]
  /** By the name of a score, its metrics by name. */
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly metadata: Readonly<Record<string, unknown>>
}

/**
 * Writes a log that Inspect View opens and `inspect_ai.log.read_eval_log` reads, whole or not at all.
 *
 * throws  UserError for a file that does not end in .eval, and for two samples of one id
 * source  inspect_ai 0.3.285, log format 2: a zip of JSON files
 */
export async function writeInspectLog(file: string, log: InspectLog): Promise<void> {
  if (!file.endsWith('.eval'))
    throw new UserError(`--inspect: must be a file whose name ends in .eval, got ${file}; Inspect knows its logs by it`)
  const members = Object.entries(inspectMembers(log)).map(([name, content]) => [name, strToU8(JSON.stringify(content))] as const)
  await writeAtomic(file, zipSync(Object.fromEntries(members), { mtime: log.created }))
}

/**
 * The files inside a log, by name.
 *
 * throws  UserError for two samples of one id
 */
export function inspectMembers(log: InspectLog): Record<string, unknown> {
  const seen = new Set<string>()
  for (const { id } of log.samples) {
    if (seen.has(id)) throw new UserError(`Inspect log: ids of samples must differ, got ${id} twice; give each row a name of its own`)
    seen.add(id)
  }
  const samples = log.samples.map((sample) => sampleOf(log, sample))
  const summaries = samples.map(summaryOf)
  const { start, header } = headerOf(log)
  return {
    '_journal/start.json': start,
    ...Object.fromEntries(samples.map((sample) => [`samples/${sample.id}_epoch_1.json`, sample])),
    '_journal/summaries/1.json': summaries,
    'summaries.json': summaries,
    'header.json': header,
  }
}

function headerOf(log: InspectLog) {
  const { task, about, model, dataset, samples, metadata } = log
  const at = moment(log)
  const id = idOf(log, 'log')
  const config = {}
  const spec = {
    eval_id: id,
    run_id: id,
    created: at,
    task,
    task_id: id,
    task_version: 0,
    task_description: about,
    task_attribs: {},
    task_args: {},
    task_args_passed: {},
    solver_args_passed: {},
    dataset: { name: dataset, samples: samples.length, sample_ids: samples.map((sample) => sample.id) },
    model,
    model_generate_config: config,
    model_args: {},
    config: {},
    packages: {},
    metadata,
  }
  const start = { version: 2, eval: spec, plan: { name: 'plan', steps: [], config } }
  const stats = { started_at: at, completed_at: at, model_usage: {}, role_usage: {}, connection_limit_history: [] }
  const results = { total_samples: samples.length, completed_samples: samples.length, scores: scoresOf(log) }
  return {
    start,
    header: { version: 2, status: 'success', ...withoutVersion(start), results, stats, invalidated: false, tags: [], metadata },
  }
}

function withoutVersion<T extends { version: number }>({ version: _, ...rest }: T) {
  return rest
}

function scoresOf({ samples, metrics }: InspectLog) {
  return Object.entries(metrics).map(([name, values]) => {
    const scored = samples.filter(({ scores }) => scores[name] !== undefined).length
    const metric = ([key, value]: [string, number]) => [key, { name: key, value, params: {} }] as const
    return {
      name,
      scorer: name,
      scored_samples: scored,
      unscored_samples: samples.length - scored,
      params: {},
      metrics: Object.fromEntries(Object.entries(values).map(metric)),
    }
  })
}

function sampleOf(log: InspectLog, { id, input, target, said, scores, metadata }: InspectSample) {
  const finite = Object.entries(scores).filter(([, { value }]) => typeof value !== 'number' || Number.isFinite(value))
  const asked = { id: idOf(log, `${id} input`), role: 'user', content: input }
  const answered = { id: idOf(log, `${id} said`), role: 'assistant', content: said, source: 'generate', model: log.model }
  return {
    id,
    epoch: 1,
    input,
    target,
    messages: said === undefined ? [] : [asked, answered],
    output:
      said === undefined
        ? { model: '', choices: [], completion: '' }
        : { model: log.model, choices: [{ message: answered, stop_reason: 'stop' }], completion: said },
    scores: Object.fromEntries(finite.map(([name, score]) => [name, { ...score, history: [] }])),
    metadata,
    store: {},
    events: [],
    model_usage: {},
    role_usage: {},
    started_at: moment(log),
    completed_at: moment(log),
    uuid: idOf(log, id),
    attachments: {},
    events_data: { messages: [], calls: [] },
  }
}

/** What the table of all samples needs of one. */
function summaryOf({ output, store, events, attachments, events_data, messages, ...sample }: ReturnType<typeof sampleOf>) {
  return { ...sample, completed: true, message_count: messages.length }
}

function moment({ created }: InspectLog): string {
  return `${created.toISOString().slice(0, 19)}+00:00`
}

/** One log has the ids that it had before. */
function idOf(log: InspectLog, of: string): string {
  return hashText(JSON.stringify([log.task, log.model, moment(log), of])).slice(0, 22)
}
