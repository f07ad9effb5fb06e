import { existsSync, statSync } from 'node:fs'
import { appendFile, mkdir, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { lock, onDisk, readJson, readJsonObjects, writeAtomic } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Manifest, type Metrics, manifestSchema, metricsSchema, type NewManifest } from './schema.ts'

/** A run folder that is open: paths inside it, typed reading, atomic writing. */
export interface Run {
  readonly folder: string
  readonly manifest: Manifest
  /** A path inside the folder; folders on the way are made. */
  path(name: string): Promise<string>
  has(name: string): boolean
  /** Writes a file atomically: text and bytes as they are, anything else as JSON. */
  write(name: string, content: unknown): Promise<void>
  read<T>(name: string, schema: z.ZodType<T>): Promise<T>
  /** Writes rows as JSON lines, atomically. */
  writeRows(name: string, rows: readonly unknown[]): Promise<void>
  readRows<T>(name: string, schema: z.ZodType<T>): Promise<T[]>
  appendMetrics(row: Metrics): Promise<void>
  /** All complete lines; a last line torn by a kill is left out. */
  readMetrics(): Promise<Metrics[]>
  /** Drops everything after a step, so that a resumed run writes on where its checkpoint stands. */
  truncateMetrics(at: { round: number; step: number }): Promise<void>
  amend(change: Partial<Manifest>): Promise<void>
  /** Gives the folder free; `ended` is written only by a run that reached its end. */
  close(how?: { ended: boolean }): Promise<void>
}

/**
 * Makes a new run folder and takes it for this process. Without a path it is `runs/<date-time>`, new each time.
 *
 * throws  UserError when the path exists and is not empty, or cannot be written
 */
export async function createRun(path: string | undefined, manifest: NewManifest): Promise<Run> {
  const folder = path === undefined ? freshFolder() : resolve(path)
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw new UserError(`${path}: a run must have a folder, got a file of that name; name another folder`)
  const found = existsSync(folder) ? await readdir(folder) : []
  if (found.length > 0) {
    const what = found.includes('manifest.json') ? 'a run that is already there' : `${found.length} files`
    throw new UserError(`${path}: a new run needs a new or empty folder, got ${what}; go on with it by --resume, or name another folder`)
  }
  await onDisk(folder, 4096, () => mkdir(folder, { recursive: true }))
  const release = await lock(folder)
  const whole = manifestSchema.parse({ ...manifest, schema: 1, name: basename(folder), started: new Date().toISOString() })
  await writeAtomic(join(folder, 'manifest.json'), pretty(whole))
  return open(folder, whole, release)
}

/**
 * Opens a run folder. Reading needs no lock; with `resume` this process takes the folder.
 *
 * throws  UserError when there is no run, or another process is writing to it
 */
export async function openRun(path: string, options: { resume?: boolean } = {}): Promise<Run> {
  const folder = resolve(path)
  if (!existsSync(join(folder, 'manifest.json')))
    throw new UserError(`${path}: a run folder holds manifest.json, got none; give the folder that train or align printed`)
  const manifest = fitted(join(path, 'manifest.json'), await readJson(join(folder, 'manifest.json'), z.unknown(), broken), manifestSchema)
  return open(folder, manifest, options.resume ? await lock(folder) : async () => {})
}

function open(folder: string, first: Manifest, release: () => Promise<void>): Run {
  let manifest = first
  const at = (name: string) => join(folder, name)
  const path = async (name: string) => {
    await onDisk(at(name), 4096, () => mkdir(join(at(name), '..'), { recursive: true }))
    return at(name)
  }
  const write = async (name: string, content: unknown) =>
    writeAtomic(await path(name), typeof content === 'string' || content instanceof Uint8Array ? content : pretty(content))
  const mustHold = (name: string) => {
    if (!existsSync(at(name))) throw new UserError(`${at(name)}: the run must hold this file, got none; did the run get that far?`)
  }
  const readRows = async <T>(name: string, schema: z.ZodType<T>) => {
    mustHold(name)
    const rows: T[] = []
    for await (const { line, value } of readJsonObjects(at(name), { torn: 'leave out' }))
      rows.push(fitted(`${at(name)}:${line}`, value, schema))
    return rows
  }
  const writeRows = (name: string, rows: readonly unknown[]) => write(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const readMetrics = async () => (existsSync(at('metrics.jsonl')) ? readRows('metrics.jsonl', metricsSchema) : [])
  const amend = async (change: Partial<Manifest>) => {
    manifest = manifestSchema.parse({ ...manifest, ...change })
    await write('manifest.json', manifest)
  }
  return {
    folder,
    get manifest() {
      return manifest
    },
    path,
    has: (name) => existsSync(at(name)),
    write,
    async read(name, schema) {
      mustHold(name)
      return fitted(at(name), await readJson(at(name), z.unknown(), broken), schema)
    },
    writeRows,
    readRows,
    async appendMetrics(row) {
      const line = `${JSON.stringify(metricsSchema.parse(row))}\n`
      await onDisk(at('metrics.jsonl'), line.length, () => appendFile(at('metrics.jsonl'), line))
    },
    readMetrics,
    async truncateMetrics({ round, step }) {
      const rows = await readMetrics()
      await writeRows(
        'metrics.jsonl',
        rows.filter((row) => row.round < round || (row.round === round && row.step <= step)),
      )
    },
    amend,
    async close(how) {
      if (how?.ended) await amend({ ended: new Date().toISOString() })
      await release()
    },
  }
}

const broken = 'was the file edited or cut off?'

function fitted<T>(where: string, value: unknown, schema: z.ZodType<T>): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const field = issue.path.join('.') || 'the value'
  throw new UserError(`${where}: ${field} must fit the run folder's schema, got ${issue.message}; was it written by another version?`)
}

function freshFolder(): string {
  const stem = resolve('runs', new Date().toISOString().slice(0, 19).replace('T', '-').replaceAll(':', ''))
  for (let n = 1; ; n++) {
    const folder = n === 1 ? stem : `${stem}-${n}`
    if (!existsSync(folder)) return folder
  }
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
