import { access, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { lock } from '../files/lock.ts'
import { writeAtomic } from '../files/write.ts'
import type { DecoderConfig } from '../models/config.ts'
import { type EditFile, readEdit, writeEdit } from './edit-file.ts'
import { planEdits } from './edit-weights.ts'
import { hashOf } from './folder-weights.ts'

const entrySchema = z.object({
  /** Counted from 1 in this folder, never given twice. */
  number: z.int().positive(),
  name: z.string(),
  /** Of the edit's file. */
  sha256: z.string(),
  applied: z.string(),
  reverted: z.exactOptional(z.string()),
})
export type EditLogEntry = z.infer<typeof entrySchema>

const logSchema = z.object({
  format: z.literal(1),
  /** sha256 of the weights without edits, and as they are now. */
  base: z.string(),
  weights: z.string(),
  /** Whether a directional ablation lies in the weights where that is exact. */
  identities: z.boolean(),
  /** In the order they are done. */
  edits: z.array(entrySchema),
  /** Taken back, oldest first. */
  reverted: z.array(entrySchema),
})
/** Which edits a model folder is under: its weights are what the base becomes under these, in their order. */
export type EditLog = z.infer<typeof logSchema>

/** Where a model folder holds its edits. */
export const editsFolder = 'edits'
const logFile = `${editsFolder}/log.json`
const pendingFile = `${editsFolder}/pending.json`
const remedy = 'take the folder from where it came, or remove its folder edits to go on with the weights as they are'

/** The log of a model folder; nothing where no edit was ever applied. */
export async function readEditLog(folder: string): Promise<EditLog | undefined> {
  return (await isThere(join(folder, logFile))) ? readJson(join(folder, logFile), logSchema, remedy) : undefined
}

/** The file that an applied edit is kept in. */
export function editCopy(number: number): string {
  return `${editsFolder}/${number}.safetensors`
}

/** The edits a folder is under, as they were applied. */
export async function readApplied(folder: string, { edits }: EditLog): Promise<EditFile[]> {
  const all: EditFile[] = []
  for (const { number, sha256 } of edits) {
    const edit = await readEdit(join(folder, editCopy(number)))
    all.push({ ...edit, sha256 })
  }
  return all
}

/** Of the edits of a folder, what does not lie in its weights, and the sha256 of the weights without edits. */
export async function keptEdits(
  folder: string,
  config: DecoderConfig,
): Promise<{ readonly kept?: readonly EditFile[]; readonly base?: string }> {
  await finishMoves(folder)
  const log = await readEditLog(folder)
  if (!log) return {}
  const { kept } = planEdits(config, await readApplied(folder, log), log)
  return { ...(kept.length > 0 ? { kept } : {}), base: log.base }
}

/** Lists edits of activations in a folder that was just written, so that whoever loads it is under them. */
export async function listEdits(folder: string, edits: readonly EditFile[], weights: readonly string[]): Promise<void> {
  const files = weights.filter((name) => name.endsWith('.safetensors')).sort()
  const hash = await hashOf(files.map((name) => join(folder, name)))
  const applied = new Date().toISOString()
  const entries = edits.map(({ name, sha256 }, i) => ({ number: i + 1, name, sha256, applied }))
  for (const [i, edit] of edits.entries()) await writeEdit(join(folder, editCopy(i + 1)), edit)
  await writeLog(join(folder, logFile), { format: 1, base: hash, weights: hash, identities: false, edits: entries, reverted: [] })
}

/** Removes what a folder held of edits before other weights were written to it. */
export async function dropOtherEdits(folder: string, now: readonly EditFile[] = []): Promise<void> {
  const ours = now.length > 0 ? ['log.json', ...now.map((_, i) => basename(editCopy(i + 1)))] : []
  for (const name of await readdir(join(folder, editsFolder)).catch(() => []))
    if (!ours.includes(name)) await rm(join(folder, editsFolder, name), { recursive: true, force: true })
  if (ours.length === 0) await rm(join(folder, editsFolder), { recursive: true, force: true })
}

/** Writes a log. */
export async function writeLog(file: string, log: EditLog): Promise<void> {
  await writeAtomic(file, `${JSON.stringify(log, null, 2)}\n`)
}

const movesSchema = z.object({ move: z.array(z.tuple([z.string(), z.string()])), remove: z.array(z.string()) })
/** Files of a folder that take the place of others, and files that go: all of it, or none. */
export type Moves = z.infer<typeof movesSchema>

/**
 * Does something with the edits of a folder while no other process changes them; one that is at it is waited for.
 *
 * throws  UserError when a living process goes on holding them for a minute
 */
export async function whileLocked<T>(folder: string, work: () => Promise<T>, waitMs = 60_000): Promise<T> {
  // What is no folder, or nobody may write to, needs no lock.
  const release = await lock(folder, { name: 'edits.lock', may: 'change the edits of a folder', waitMs }).catch(
    (error: NodeJS.ErrnoException) => {
      if (['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'].includes(error.code ?? '')) return undefined
      throw error
    },
  )
  try {
    return await work()
  } finally {
    await release?.()
  }
}

/**
 * Makes changes of several files as one: once they are written down they are done, by this process or by whoever opens the folder next.
 */
export async function makeMoves(folder: string, moves: Moves): Promise<void> {
  await writeAtomic(join(folder, pendingFile), JSON.stringify(moves))
  await move(folder)
}

/** Does what a process wrote down and did not do to its end. */
export async function finishMoves(folder: string): Promise<void> {
  if (await isThere(join(folder, pendingFile))) await whileLocked(folder, () => move(folder))
}

async function move(folder: string): Promise<void> {
  const pending = join(folder, pendingFile)
  if (!(await isThere(pending))) return
  const { move, remove } = await readJson(pending, movesSchema, remedy)
  for (const [from, to] of move) {
    if (!(await isThere(join(folder, from)))) continue
    await mkdir(dirname(join(folder, to)), { recursive: true })
    await rename(join(folder, from), join(folder, to))
  }
  for (const name of remove) await rm(join(folder, name), { force: true })
  await rm(pending, { force: true })
}

/** Does what a process wrote down, and removes what one left that ended before that; the edits must be locked. */
export async function clearUnfinished(folder: string, next: string): Promise<void> {
  await move(folder)
  await rm(join(folder, next), { recursive: true, force: true })
  for (const name of await readdir(join(folder, editsFolder)).catch(() => []))
    if (name.endsWith('.tmp')) await rm(join(folder, editsFolder, name), { force: true })
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
