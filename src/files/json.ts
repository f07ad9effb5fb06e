import { readFile } from 'node:fs/promises'
import type { z } from 'zod'
import { UserError } from '../graph/errors.ts'
import { decodeUtf8 } from './utf8.ts'

/**
 * Reads a JSON file and parses it by a schema.
 *
 * throws  UserError with file, field and remedy when the file cannot be read, is not UTF-8 or JSON, or does not fit the schema
 */
export async function readJson<T>(file: string, schema: z.ZodType<T>, remedy: string): Promise<T> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: must be a readable file, got ${cause.code ?? cause.message}; ${remedy}`, { cause })
  })
  const decoded = decodeUtf8(bytes)
  if ('fault' in decoded) throw new UserError(`${file}: must be JSON in UTF-8, got a file of which ${decoded.fault}; ${remedy}`)
  return parse(file, parseJson(file, decoded.text, remedy), schema, remedy)
}

/** Parses JSON; `file` leads the UserError. */
export function parseJson(file: string, text: string, remedy: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new UserError(`${file}: must be JSON, got ${(cause as Error).message}; ${remedy}`, { cause })
  }
}

/** Parses a value by a schema; `where` leads the UserError that names the first field that does not fit. */
export function parse<T>(where: string, value: unknown, schema: z.ZodType<T>, remedy: string): T {
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  const { path, message, input } = parsed.error.issues[0]!
  const field = path.length > 0 ? ` ${path.join('.')}:` : ''
  const rule = message.replace(/, received .*$/, '').replace(/^Invalid input: /, '')
  throw new UserError(`${where}:${field} ${rule}, got ${brief(input)}; ${remedy}`)
}

function brief(value: unknown): string {
  const text = value === undefined ? 'nothing' : written(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

function written(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    return 'what nests too deeply to be shown'
  }
}
