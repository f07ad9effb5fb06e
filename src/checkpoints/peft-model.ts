import { stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import { configFile } from './peft.ts'

const schema = z.looseObject({ base_model_name_or_path: z.string().min(1).nullish() })

/**
 * The model that a folder of PEFT is an adapter of: its path, beside the folder where it is one there, or its name; undefined for a folder that
 * is none of PEFT, or holds a model of its own.
 *
 * throws  UserError for an adapter that names no model
 */
export async function peftBase(folder: string): Promise<string | undefined> {
  const there = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined
  const file = join(folder, configFile)
  if (!(await there(file)) || (await there(join(folder, 'config.json')))) return undefined
  const { base_model_name_or_path: base } = await readJson(file, schema, 'a folder that PEFT saved holds it')
  if (base == null)
    throw new UserError(
      `${file}: base_model_name_or_path must name the model that the adapter is for, got nothing; write its path there, or give the model itself and this folder with --adapter`,
    )
  const beside = join(folder, base)
  return !isAbsolute(base) && !(await there(base)) && (await there(beside)) ? beside : base
}
