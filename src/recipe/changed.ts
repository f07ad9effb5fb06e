import type { GoalPrior } from '../goals/prior.ts'
import { UserError } from '../graph/index.ts'
import { objectives } from '../objectives/index.ts'
import { optimizers } from '../train/index.ts'
import type { RecipeInput } from './schema.ts'

/** What a command line says otherwise than a recipe. */
export interface Changes {
  readonly model?: string | undefined
  readonly rounds?: number | undefined
  readonly seed?: number | undefined
  readonly run?: string | undefined
  /** `path.to.field=value` each; the value is JSON, or else text. */
  readonly set?: readonly string[]
}

/**
 * A recipe as it was written, with changes, to be checked as any other.
 *
 * throws  UserError for a change that is no `path=value`, or leads into what is no plain object
 */
export function changedInput(input: RecipeInput, { model, rounds, seed, run, set = [] }: Changes): RecipeInput {
  const given = Object.entries({ model, rounds, seed, run }).filter(([, value]) => value !== undefined)
  let changed = { ...input, ...Object.fromEntries(given) } as Record<string, unknown>
  // The seed of training is the recipe's unless it is set by itself.
  if (seed !== undefined && isPlain(changed.train)) changed.train = without(changed.train, 'seed')
  for (const change of set) {
    const [, path = '', text = ''] = /^([\w.]+)=(.*)$/s.exec(change) ?? []
    const keys = path.split('.')
    if (path === '' || keys.includes(''))
      throw new UserError(`--set: must be path.to.field=value, got ${JSON.stringify(change)}; write for example --set train.batch=4`)
    changed = put(changed, keys, fieldValue(text), path)
  }
  return changed as RecipeInput
}

function put(
  object: Record<string, unknown>,
  [key = '', ...rest]: readonly string[],
  value: unknown,
  path: string,
): Record<string, unknown> {
  if (key === '__proto__') throw new UserError(`--set ${path}: must name a field of a recipe, got __proto__; see docs/recipe.md`)
  if (rest.length === 0) return { ...object, [key]: value }
  const inner = asWritten(Object.hasOwn(object, key) ? object[key] : {})
  if (Array.isArray(inner) && /^\d+$/.test(rest[0]!) && rest.length === 1) {
    const list = [...inner]
    list[Number(rest[0])] = value
    return { ...object, [key]: list }
  }
  if (!isPlain(inner))
    throw new UserError(
      `--set ${path}: ${key} must be an object of plain values to be changed inside, got ${typeof inner === 'object' ? 'one that holds functions' : JSON.stringify(inner)}; change it in the recipe`,
    )
  return { ...object, [key]: put(inner, rest, value, path) }
}

/** What TypeScript makes with a function of Innate's, as one would write it in JSON. */
function asWritten(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { name, params } = value as { name?: string; params?: Record<string, unknown> }
  if (name !== undefined && params && (Object.hasOwn(objectives, name) || Object.hasOwn(optimizers, name))) return { name, ...params }
  return 'logDensity' in value ? ((value as GoalPrior).written ?? value) : value
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((inner) => typeof inner !== 'function')
}

function without(object: Record<string, unknown>, key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
}

/** JSON where it is, else the text itself. */
function fieldValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
