import { closestMatch } from 'leven'
import { z } from 'zod'
import { UserError } from '../graph/index.ts'
import { recipeSchema } from './recipe-schema.ts'

type Issue = z.core.$ZodIssue

/** The first thing that is wrong with a recipe, as a sentence that names the field, what it may be, and the nearest name to a misspelt one. */
export function recipeError(input: unknown, { issues }: z.ZodError): UserError {
  const issue = furthest(issues[0]!, input)
  const path = issue.path.join('.')
  const where = path === '' ? 'recipe' : path
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(issue.path, input)
    const key = issue.keys[0]!
    return new UserError(
      `${where}: must have fields of a recipe, got ${JSON.stringify(key)}${nearest(key, known)}; choose from ${known.join(', ')}`,
    )
  }
  return new UserError(`${where}: must be ${wanted(issue)}, got ${shown(at(input, issue.path))}`)
}

/** ` (did you mean X?)`, where a name is near enough to one of the known ones. */
export function nearest(name: string, known: readonly string[]): string {
  const found = closestMatch(name, [...known], { maxDistance: 3 })
  return found ? ` (did you mean ${found}?)` : ''
}

/** Of a field with several forms, what is wrong with the form that what was given resembles most. */
function furthest(issue: Issue, input: unknown): Issue {
  if (issue.code !== 'invalid_union') return issue
  const forms = issue.errors.map((issues) => ({ ...issues[0]!, path: [...issue.path, ...issues[0]!.path] }) as Issue)
  const given = at(input, issue.path)
  const best = forms
    .map((form, i) => ({ form, likeness: likeness(formsAt(issue.path)[i], given) }))
    .reduce((a, b) => (b.likeness > a.likeness ? b : a))
  return furthest(best.form, input)
}

/** How much a value looks like what a schema wants: for objects, how many of the schema's fields it has. */
function likeness(schema: z.ZodType | undefined, given: unknown): number {
  if (schema instanceof z.ZodObject)
    return isObject(given) ? 1 + Object.keys(schema.shape).filter((field) => field in given).length : Number(typeof given !== 'string') / 2
  if (schema instanceof z.ZodArray) return Number(Array.isArray(given))
  if (schema instanceof z.ZodEnum || schema instanceof z.ZodString) return Number(typeof given === 'string')
  return isObject(given) ? 0.5 : 0
}

/** The fields that an object at a path may have, of the form that it resembles most. */
function fieldsAt(path: readonly PropertyKey[], input: unknown): string[] {
  const objects = formsAt(path).filter((schema) => schema instanceof z.ZodObject)
  const given = at(input, path)
  const best = objects.reduce((a, b) => (likeness(b, given) > likeness(a, given) ? b : a))
  return Object.keys(best.shape)
}

/** Every form of the field at a path. */
function formsAt(path: readonly PropertyKey[]): z.ZodType[] {
  return path.reduce<z.ZodType[]>((schemas, key) => schemas.flatMap((schema) => inside(schema, key)).flatMap(forms), [recipeSchema])
}

function inside(schema: z.ZodType, key: PropertyKey): z.ZodType[] {
  if (schema instanceof z.ZodObject) return key in schema.shape ? [schema.shape[key as string] as z.ZodType] : []
  if (schema instanceof z.ZodRecord) return [schema.valueType as z.ZodType]
  return schema instanceof z.ZodArray ? [schema.element as z.ZodType] : []
}

function forms(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(forms)
  const wrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
  return wrapped ? forms(schema.unwrap() as z.ZodType) : [schema]
}

function wanted(issue: Issue): string {
  if (issue.code === 'invalid_type') return article(issue.expected)
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`
  if (issue.code === 'too_small')
    return `${issue.origin === 'array' ? 'a list of ' : ''}${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`
  if (issue.code === 'too_big') return `${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`
  return issue.message
}

function article(type: string): string {
  const name = { int: 'whole number', record: 'object', string: 'text', boolean: 'true or false' }[type] ?? type
  if (name === 'text' || name === 'true or false') return name
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = typeof value === 'function' ? 'a function' : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function at(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((x, key) => (x as Record<PropertyKey, unknown> | undefined)?.[key], input)
}

function isObject(x: unknown): x is object {
  return typeof x === 'object' && x !== null && !Array.isArray(x)
}
