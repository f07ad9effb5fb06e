import { UserError } from '../../graph/errors.ts'
import type { Parameter } from './method.ts'

type Scalar = number | boolean
/** What a configuration says of a parameter: a value, a list that is interpolated over the layers, or those for names that contain a text. */
export type Setting = readonly { readonly filter?: string; readonly value: readonly Scalar[]; readonly graded: boolean }[]
/** Parameters as one place of a configuration sets them. */
export type Settings = Readonly<Record<string, Setting>>

/** Refuses a value: `path` leads from the setting to it. */
export type Refuse = (path: readonly (string | number)[], rule: string, got: unknown, remedy: string) => never

/**
 * Reads what a configuration says of a parameter; numbers may be texts, as YAML takes some for them.
 *
 * throws  what `refuse` throws, for what is no value of the parameter
 */
export function readSetting(given: unknown, parameter: Parameter, refuse: Refuse): Setting {
  const isFiltered = (one: unknown) => typeof one === 'object' && one !== null && !Array.isArray(one)
  if (isFiltered(given)) return [filtered(given as Record<string, unknown>, [])]
  if (!Array.isArray(given)) return [{ value: [scalar(given, [])], graded: false }]
  if (given.some(isFiltered)) return given.map((one, i) => (isFiltered(one) ? filtered(one, [i]) : refuse([i], 'must be a value with a filter, as others in the list', one, 'write value and filter'))) // biome-ignore format: one line
  return [{ value: given.map((one, i) => scalar(one, [i])), graded: true }]

  function filtered(one: Record<string, unknown>, path: readonly (string | number)[]): Setting[number] {
    const extra = Object.keys(one).find((key) => key !== 'value' && key !== 'filter')
    if (extra !== undefined) refuse([...path, extra], 'must be filter or value', extra, 'leave it out')
    const { value, filter } = one
    if (filter != null && typeof filter !== 'string') refuse([...path, 'filter'], 'must be a text', filter, 'write a part of a tensor name')
    const values = Array.isArray(value) ? value.map((each, i) => scalar(each, [...path, 'value', i])) : [scalar(value, [...path, 'value'])]
    return { value: values, graded: Array.isArray(value), ...(filter == null ? {} : { filter: filter as string }) }
  }

  function scalar(value: unknown, path: readonly (string | number)[]): Scalar {
    if (parameter.kind === 'switch') {
      const word = typeof value === 'string' ? { true: true, false: false }[value.toLowerCase()] : value
      return typeof word === 'boolean' ? word : refuse(path, 'must be true or false', value, 'write one of them')
    }
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    const what = parameter.kind === 'whole' ? 'a whole number of at least 0' : 'a number'
    const fits = typeof number === 'number' && Number.isFinite(number) && (parameter.kind === 'number' || (Number.isInteger(number) && number >= 0)) // biome-ignore format: one line
    return fits ? number : refuse(path, `must be ${what}, a list of them, or values with filters`, value, 'write a number')
  }
}

/**
 * The value of a parameter for a tensor: of the first settings that say one for its name. A list is interpolated at the share t of the way
 * through the layers of a slice.
 *
 * throws  UserError when none says one and there is no default
 */
export function valueFor(
  name: string,
  parameter: Parameter,
  settings: readonly (Settings | undefined)[],
  { tensor, t, where }: { readonly tensor: string; readonly t: number; readonly where: string },
): Scalar | null {
  for (const all of settings) {
    const fitting = all?.[name]?.find(({ filter }) => filter === undefined || filter === '*' || tensor.includes(filter))
    if (fitting && fitting.value.length > 0) return interpolated(fitting.value, fitting.graded ? t : 0, parameter)
  }
  if (parameter.default !== undefined) return parameter.default
  throw new UserError(
    `${where}: ${name} must be given for ${tensor} (${parameter.about}), got none; write it under ${parameter.of === 'merge' ? 'parameters' : "the model's parameters, or those of all"}`,
  )
}

function interpolated(values: readonly Scalar[], t: number, { kind }: Parameter): Scalar {
  const at = t * (values.length - 1)
  const low = Math.trunc(at)
  const [a, b] = [values[low]!, values[Math.min(values.length - 1, low + 1)]!]
  if (typeof a === 'boolean' || typeof b === 'boolean') return a
  const x = (1 - (at - low)) * a + (at - low) * b
  return kind === 'whole' ? Math.round(x) : x
}
