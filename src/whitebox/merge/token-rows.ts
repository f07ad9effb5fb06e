import { UserError } from '../../graph/errors.ts'
import type { Fields, Path } from './configuration.ts'
import type { RowMap, Vocabulary } from './vocabulary.ts'

/** What a configuration says of the embedding of one token. */
export interface TokenRow {
  readonly token: string
  /** The model whose row is taken, of this token, or of another by its text or its number; of zeros where left out. */
  readonly of?: { readonly model: string; readonly token?: string; readonly row?: number }
  /** Whether models that have the token get this row too. */
  readonly force: boolean
  readonly where: string
}

/** How fields of the file are read: each refusal names its line. */
export interface FieldReader {
  fieldsAt(path: Path, value: unknown, known: readonly string[]): Fields
  reference(path: Path, value: unknown): string
  refuse(path: Path, rule: string, got: unknown, remedy: string): never
  place(path: Path): string
}

/** Reads `tokenizer.tokens`: token → `source`, a model, `{ kind: zero }` or `{ kind: model_token, model, token or token_id }`, and `force`. */
export function readTokens(value: unknown, { fieldsAt, reference, refuse, place }: FieldReader): TokenRow[] {
  if (value == null) return []
  const path = ['tokenizer', 'tokens']
  if (typeof value !== 'object' || Array.isArray(value)) return refuse(path, 'must have tokens as its fields', value, 'write TOKEN: { source: MODEL }') // biome-ignore format: one line
  return Object.entries(value).map(([token, one]): TokenRow => {
    const at = [...path, token]
    const { source, force } = fieldsAt(at, one, ['source', 'force'])
    if (force != null && typeof force !== 'boolean') refuse([...at, 'force'], 'must be true or false', force, 'write one of these')
    const told = { token, force: force === true, where: place(at) }
    if (source == null) return refuse([...at, 'source'], 'must be there', source, 'write a model, or { kind: zero }')
    const kind = typeof source === 'object' && !Array.isArray(source) ? (source as Fields).kind : undefined
    if (kind === undefined) return { ...told, of: { model: reference([...at, 'source'], source) } }
    if (kind === 'zero') {
      fieldsAt([...at, 'source'], source, ['kind'])
      return told
    }
    if (kind !== 'model_token') return refuse([...at, 'source', 'kind'], 'must be model_token or zero', kind, 'choose one')
    const { model, token: other, token_id: row } = fieldsAt([...at, 'source'], source, ['kind', 'model', 'token', 'token_id'])
    if ((other == null) === (row == null)) refuse([...at, 'source'], 'must have either token or token_id', other == null ? 'none' : 'both', 'keep one') // biome-ignore format: one line
    if (row != null && !(Number.isInteger(row) && (row as number) >= 0)) refuse([...at, 'source', 'token_id'], 'must be a whole number, 0 or above', row, 'write the number of a row') // biome-ignore format: one line
    return { ...told, of: { model: reference([...at, 'source', 'model'], model), ...(row == null ? { token: String(other) } : { row: row as number }) } } // biome-ignore format: one line
  })
}

/** A tokenizer with the tokens that it lacks added behind its own, as texts that are never cut. */
export function withTokens(json: Vocabulary['json'], { ids }: Pick<Vocabulary, 'ids'>, tokens: readonly TokenRow[]): Vocabulary['json'] {
  const known = new Set([...ids.keys(), ...json.added_tokens.map(({ content }) => content)])
  const start = 1 + Math.max(...ids.values(), ...json.added_tokens.map(({ id }) => id))
  const missing = tokens.filter(({ token }) => !known.has(token))
  if (missing.length === 0) return json
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: false }
  return {
    ...json,
    added_tokens: [...json.added_tokens, ...missing.map(({ token: content }, i) => ({ content, ...flags, id: start + i }))],
  }
}

/**
 * The rows that a configuration tells, by their place in the output.
 *
 * throws  UserError for a model that is not merged, and a token or a row that it does not have
 */
export function tokenRows(
  tokens: readonly TokenRow[],
  out: ReadonlyMap<string, number>,
  { from }: Pick<RowMap, 'from'>,
  models: readonly { readonly name: string; readonly rows: number; readonly ids: ReadonlyMap<string, number> }[],
): RowMap['told'] {
  if (tokens.length === 0) return undefined
  return new Map(
    tokens.map(({ token, of, force, where }) => {
      const at = out.get(token)!
      if (!of) return [at, { force }]
      const m = models.findIndex(({ name }) => name === of.model)
      if (m < 0) throw new UserError(`${where}: source must be a model that is merged, got ${of.model}; name one of ${models.map(({ name }) => name).join(', ')}`) // biome-ignore format: one line
      const row = of.row ?? (of.token === undefined ? from[m]![at]! : (models[m]!.ids.get(of.token) ?? -1))
      if (row < 0 || row >= models[m]!.rows)
        throw new UserError(`${where}: source must be a row of ${of.model}, got ${of.row === undefined ? `no token ${JSON.stringify(of.token ?? token)}` : `row ${row} of ${models[m]!.rows}`}; name another`) // biome-ignore format: one line
      return [at, { of: [m, row] as const, force }]
    }),
  )
}

/**
 * Told rows by the place of their model among those that a tensor is made of.
 *
 * throws  UserError for a model that is not among them, as where slices take their layers
 */
export function toldOf(told: NonNullable<RowMap['told']>, placeOf: (model: number) => number, tensor: string): NonNullable<RowMap['told']> {
  return new Map(
    [...told].map(([at, { of, force }]) => {
      const place = of && placeOf(of[0])
      if (place === -1) throw new UserError(`tokenizer.tokens: a source must be one of the models that ${tensor} is made of, got another; name one of these`) // biome-ignore format: one line
      return [at, { force, ...(of ? { of: [place!, of[1]] as const } : {}) }]
    }),
  )
}
