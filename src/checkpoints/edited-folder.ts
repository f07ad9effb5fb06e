import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { DecoderParams } from '../models/params.ts'
import { checkEdit } from './check-edit.ts'
import { type EditFile, readEdit, writeEdit } from './edit-file.ts'
import { clearUnfinished, type EditLog, type EditLogEntry, editCopy, editsFolder, makeMoves, readApplied, readEditLog, whileLocked, writeLog } from './edit-log.ts' // biome-ignore format: one line
import { openFolderState } from './folder-state.ts'

const nextFolder = `${editsFolder}/next`

/**
 * Applies an edit to a model folder, after those that it is under. The folder's state is a function of its base and the ordered list of its
 * edits: weights are computed from the bits of the base, which the folder keeps as they differ from now. What can only be done to
 * activations is listed, and done wherever this library runs the folder; a directional ablation lies in the weights where that is exact.
 *
 * throws  UserError for a folder whose weights were changed by others, and as checkEdit; nothing is half-written
 */
export async function applyEdit(folder: string, file: string): Promise<EditLog> {
  return whileLocked(folder, () => apply(folder, file))
}

async function apply(folder: string, file: string): Promise<EditLog> {
  const { log, state } = await openFolder(folder)
  const edit = await readEdit(file)
  checkEdit(edit, { name: folder, config: state.config, hashes: [log.weights, log.base] })
  const number = 1 + Math.max(0, ...[...log.edits, ...log.reverted].map((entry) => entry.number))
  const entry: EditLogEntry = { number, name: edit.name, sha256: edit.sha256, applied: new Date().toISOString() }
  const before = await readApplied(folder, log)
  return write(folder, state, { ...log, edits: [...log.edits, entry] }, [...before, edit], { add: [number, edit] })
}

/**
 * Takes an edit of a model folder back, whichever it is: what is left is bit for bit the base under the others, in their order. `which` is
 * its number in the log, its name, or its file.
 *
 * throws  UserError for an edit the folder is not under, or no longer, and for a name that several have
 */
export async function revertEdit(folder: string, which: string): Promise<EditLog> {
  return whileLocked(folder, () => revert(folder, which))
}

async function revert(folder: string, which: string): Promise<EditLog> {
  const { log, state } = await openFolder(folder)
  const sha256 = await stat(which).then(async (found) => (found.isFile() ? (await readEdit(which)).sha256 : undefined), () => undefined) // biome-ignore format: one line
  const is = (entry: EditLogEntry) => String(entry.number) === which || entry.name === which || entry.sha256 === sha256
  const found = log.edits.filter(is)
  const [entry] = found
  if (!entry) {
    const gone = log.reverted.findLast(is)
    const got = gone ? `${which}, which was reverted on ${gone.reverted?.slice(0, 10)}` : which
    const under = log.edits.map(({ number, name }) => `${number} ${name}`).join(', ')
    throw new UserError(
      `${folder}: only an edit that it is under can be reverted, got ${got}; ${under ? `it is under ${under}` : 'it is under none'}`,
    )
  }
  if (found.length > 1)
    throw new UserError(
      `${folder}: one edit must be named, got ${which}, which is ${found.map(({ number }) => number).join(' and ')}; give its number`,
    )
  const left = { ...log, edits: log.edits.filter((one) => one !== entry) }
  const others = await readApplied(folder, left)
  const reverted = [...log.reverted, { ...entry, reverted: new Date().toISOString() }]
  return write(folder, state, { ...left, reverted }, others, { remove: [editCopy(entry.number)] })
}

/** The log of a folder, of one that no edit was applied to yet an empty one. */
export async function editLog(folder: string): Promise<EditLog> {
  return whileLocked(folder, async () => (await openFolder(folder)).log)
}

/** The parameters of a folder without its edits. */
export async function baseOf(folder: string): Promise<{ readonly name: string; readonly params: DecoderParams<Tensor> }> {
  return whileLocked(folder, async () => {
    const { state } = await openFolder(folder)
    return { name: `${folder} without edits`, params: await state.baseParams() }
  })
}

async function openFolder(folder: string) {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new UserError(`${folder}: must be a model folder, got none; write one with innate convert MODEL FOLDER`)
  await clearUnfinished(folder, nextFolder)
  const state = await openFolderState(folder)
  const hash = await state.hash()
  const log = (await readEditLog(folder)) ?? { format: 1 as const, base: hash, weights: hash, identities: true, edits: [], reverted: [] }
  if (hash !== log.weights)
    throw new UserError(
      `${folder}: the weights must be those that its edits made, sha256 ${log.weights.slice(0, 12)}…, got ${hash.slice(0, 12)}…; put them back, or remove its folder edits to go on with them as a new base`,
    )
  return { log, state }
}

async function write(
  folder: string,
  state: Awaited<ReturnType<typeof openFolderState>>,
  told: EditLog,
  edits: readonly EditFile[],
  { add, remove = [] }: { add?: readonly [number, EditFile]; remove?: readonly string[] },
): Promise<EditLog> {
  const next = join(folder, nextFolder)
  const made = await state.write(next, edits)
  const log: EditLog = { ...told, identities: true, weights: made.hash }
  await writeLog(join(next, 'log.json'), log)
  if (add) await writeEdit(join(next, 'edit.safetensors'), add[1])
  await makeMoves(folder, {
    move: [
      ...made.written.map((name): [string, string] => [`${nextFolder}/${name}`, name]),
      ...(add ? [[`${nextFolder}/edit.safetensors`, editCopy(add[0])] as [string, string]] : []),
      [`${nextFolder}/log.json`, `${editsFolder}/log.json`],
    ],
    remove: [...made.removed, ...remove],
  })
  await clearUnfinished(folder, nextFolder)
  return log
}
