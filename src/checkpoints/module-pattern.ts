import { runInNewContext } from 'node:vm'
import { UserError } from '../graph/errors.ts'

// Python writes these otherwise than JavaScript, or JavaScript takes them for something else.
const differing = /\\[AZ]|\(\?[P#aiLmsux(]|\{,|\[\^?\]|[*+?}]\+/

/**
 * The values that a table of patterns gives to modules, as PEFT reads `rank_pattern` and `alpha_pattern`: a key is a regular expression
 * for the name of a module or for what follows one of its points, up to the end; the first that fits counts.
 *
 * throws  UserError for a key that is no regular expression, is written as only Python writes it, or takes longer than a second
 * source  PEFT 0.21, get_pattern_key
 */
export function patternValues(
  where: string,
  table: Readonly<Record<string, number>> | null | undefined,
  modules: readonly string[],
): ReadonlyMap<string, number> {
  const entries = Object.entries(table ?? {})
  const refuse = (key: string, said: string, cause?: unknown): never => {
    throw new UserError(`${where}.${key}: must be a regular expression for modules, got ${said}; write it without what Python alone has`, {
      cause,
    })
  }
  for (const [key] of entries) {
    const [part] = differing.exec(key) ?? []
    if (part !== undefined) refuse(key, part)
    try {
      new RegExp(key)
    } catch (cause) {
      refuse(key, (cause as Error).message, cause)
    }
  }
  if (entries.length === 0) return new Map()
  const first = `modules.map((name) => keys.findIndex((key) => new RegExp('^(?:.*\\\\.)?(?:' + key + ')$', 's').test(name)))`
  try {
    const found = runInNewContext(first, { modules, keys: entries.map(([key]) => key) }, { timeout: 1000 }) as number[]
    return new Map(modules.flatMap((name, i) => (found[i]! < 0 ? [] : [[name, entries[found[i]!]![1]] as const])))
  } catch (cause) {
    return refuse('*', `one that takes longer than a second (${(cause as Error).message})`, cause)
  }
}
