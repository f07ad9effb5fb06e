import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../graph/errors.ts'

/**
 * The folder that a model lies in: itself, or, of a run's folder or that of one of its rounds, the folder `model` in it.
 *
 * throws  UserError for a run that has no accepted model, naming the rounds that have one
 */
export async function modelFolder(folder: string): Promise<string> {
  const there = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined
  if (await there(join(folder, 'config.json'))) return folder
  const inside = join(folder, 'model')
  if (await there(join(inside, 'config.json'))) return inside
  if (!(await there(join(folder, 'manifest.json')))) return folder
  const rounds: string[] = []
  for (const round of (await readdir(join(folder, 'rounds')).catch(() => [])).toSorted())
    if (await there(join(folder, 'rounds', round, 'model', 'config.json'))) rounds.push(join(folder, 'rounds', round))
  throw new UserError(
    `${folder}: a run that is given as a model must hold one, got a run without an accepted model; ${rounds.length > 0 ? `its rounds have: ${rounds.join(', ')}` : 'it kept none of its rounds either'}`,
  )
}
