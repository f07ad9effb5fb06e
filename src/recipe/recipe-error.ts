import { closestMatch } from 'leven'
import { z } from 'zod'
import { UserError } from '../graph/index.ts'
import { recipeSchema } from './schema.ts'

type Issue = z.core.$ZodIssue

/**
 * What is wrong with a recipe: a sentence for each mistake, that names the field, what it may be, and the nearest name to a misspelt one.
 * A misspelt field comes first; what is missing because of it is not said.
 */
export function recipeError(input: unknown, { issues }: z.ZodError): UserError {
  const sorted = issues.toSorted((a, b) => Number(b.code === 'unrecognized_keys') - Number(a.code === 'unrecognized_keys'))
  const all = sorted.map((issue) => inside(issue, input))
  const misspelt = all.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys.map((key) => meant(issue, key, input)) : []))
  const own = all.filter(({ path }) => at(input, path) !== undefined || !misspelt.includes(path.join('.')))
  return new UserError([...new Set(own.flatMap((issue) => said(issue, input)))].join('\n'))
}

/** The path of the field that a misspelt one stands for. */
function meant({ path }: Issue, key: string, input: unknown): string {
  return [...path, near(key, fieldsAt(path, input))].join('.')
}

function said(issue: Issue, input: unknown): string[] {
  const where = issue.path.join('.') || 'recipe'
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(issue.path, input)
    return issue.keys.map((key) => `${where}: must have no other fields than ${known.join(', ')}, got ${key}${didYouMean(key, known)}`)
  }
  const got = at(input, issue.path)
  const rule = `must be ${wanted(issue)}, got ${shown(got)}`
  if (got === undefined) return [`${where}: ${rule}; add it`]
  return [`${where}: ${rule}${typeof got === 'string' ? didYouMean(got, names(issue)) : ''}`]
}

/** The names that a field may be, in any of its forms. */
function names(issue: Issue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  return issue.code === 'invalid_union' ? issue.errors.flat().flatMap(names) : []
}

/** `; did you mean X?`, where a name is near enough to one of the known ones. */
export function didYouMean(name: string, known: readonly string[]): string {
  const found = near(name, known)
  return found ? `; did you mean ${found}?` : ''
}

function near(name: string, known: readonly string[]): string | undefined {
  return closestMatch(name, [...known], { maxDistance: Math.min(3, Math.ceil(name.length / 2)) })
}

/** A misspelt field explains why another one is missing, so it comes first. */
function first(issues: readonly Issue[]): Issue {
  return issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
}

/** Of an object that may have several forms, what is wrong with the form it resembles most. */
function inside(issue: Issue, input: unknown): Issue {
  const given = at(input, issue.path)
  if (issue.code !== 'invalid_union' || !isObject(given)) return issue
  const options = formsAt(issue.path)
  const found = issue.errors.map((issues, i) => ({ issue: first(issues), likeness: likeness(options[i], given) }))
  const best = found.reduce((a, b) => (b.likeness > a.likeness ? b : a)).issue
  return inside({ ...best, path: [...issue.path, ...best.path] }, input)
}

/** How many fields an object has of those that a schema wants, misspelt ones counted half. */
function likeness(schema: z.ZodType | undefined, given: object): number {
  if (!(schema instanceof z.ZodObject)) return 0
  const fields = Object.keys(schema.shape)
  return Object.keys(given).reduce((sum, key) => sum + (fields.includes(key) ? 1 : near(key, fields) ? 0.5 : 0), 0)
}

/** The fields that an object at a path may have, in the form that it resembles most. */
function fieldsAt(path: readonly PropertyKey[], input: unknown): string[] {
  const given = at(input, path) as object
  const objects = formsAt(path).filter((schema) => schema instanceof z.ZodObject)
  return Object.keys(objects.reduce((a, b) => (likeness(b, given) > likeness(a, given) ? b : a)).shape)
}

/** Every form that the field at a path may have. */
function formsAt(path: readonly PropertyKey[]): z.ZodType[] {
  return path.reduce<z.ZodType[]>((schemas, key) => schemas.flatMap((schema) => fieldOf(schema, key)).flatMap(forms), [recipeSchema])
}

function fieldOf(schema: z.ZodType, key: PropertyKey): z.ZodType[] {
  if (schema instanceof z.ZodObject) return key in schema.shape ? [schema.shape[key as string] as z.ZodType] : []
  if (schema instanceof z.ZodRecord) return [schema.valueType as z.ZodType]
  return schema instanceof z.ZodArray ? [schema.element as z.ZodType] : []
}

function forms(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(forms)
  return isOptional(schema) ? forms(schema.unwrap() as z.ZodType) : [schema]
}

function isOptional(schema: unknown): schema is z.ZodOptional | z.ZodDefault | z.ZodPrefault {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
}

function wanted(issue: Issue): string {
  if (issue.code === 'invalid_union')
    return [...new Set(issue.errors.map((issues, i) => wantedForm(first(issues), i, issue.path)))].join(', or ')
  if (issue.code === 'invalid_type') return issue.expected === 'object' ? withFields(formsAt(issue.path)[0]) : article(issue.expected)
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`
  if (issue.code === 'too_small')
    return `${issue.origin === 'array' ? 'a list of ' : ''}${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`
  if (issue.code === 'too_big') return `${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`
  return issue.message
}

function wantedForm(issue: Issue, form: number, path: readonly PropertyKey[]): string {
  const schema = formsAt(path)[form]
  return schema instanceof z.ZodObject ? withFields(schema) : wanted(issue)
}

/** `an object with command and keep`: the fields it cannot do without. */
function withFields(schema: z.ZodType | undefined): string {
  const shape = schema instanceof z.ZodObject ? Object.entries(schema.shape) : []
  const needed = shape.flatMap(([name, field]) => (isOptional(field) ? [] : [name]))
  return needed.length > 0 ? `an object with ${needed.join(' and ')}` : 'an object'
}

function article(type: string): string {
  const name = { int: 'whole number', record: 'object', array: 'list' }[type] ?? type
  if (name === 'string') return 'text'
  if (name === 'boolean') return 'true or false'
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = typeof value === 'function' ? 'a function' : written(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function written(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return 'what cannot be shown'
  }
}

function at(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((x, key) => (x as Record<PropertyKey, unknown> | null | undefined)?.[key], input)
}

function isObject(x: unknown): x is object {
  return typeof x === 'object' && x !== null && !Array.isArray(x)
}
