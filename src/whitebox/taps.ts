import { type Shape, type Tensor, transpose, UserError, type Value } from '../graph/index.ts'
import { tapOf, tapsNamed } from '../models/taps.ts'
import { kept, type Model, over, type See } from '../policy/index.ts'

export interface StreamTapsOptions {
  /** Names of taps or patterns; see docs/taps.md. */
  readonly taps: string | readonly string[]
  /** Every token, or the last one of each text alone. Default every token. */
  readonly positions?: 'all' | 'last'
  /** The safetensors file. */
  readonly to: string
  /** How floats are written. Default f32. */
  readonly dtype?: 'f32' | 'f16'
  readonly onBatch?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/**
 * Writes what stands at taps, as a model reads texts, to a safetensors file, in memory that does not grow with their number. Rows are
 * tokens of all texts in order. Beside the taps stand `tokens`, `text` and `position`, i32[tokens]: a token's id, the text it is of
 * and its place there, both counted from 0.
 *
 * shape   a tensor for each tap, f32 or f16: [tokens, d], heads [tokens, heads, …]; patterns, of one text alone, [tokens, heads, keys]
 * throws  UserError for a tap that the model does not have, a pattern of several texts, and a number beyond f16
 */
export async function streamTaps(
  model: Pick<Model, 'policy' | 'config'>,
  texts: readonly { readonly ids: readonly number[] }[],
  { taps, positions = 'all', to, ...options }: StreamTapsOptions,
): Promise<Record<string, Shape>> {
  const names = tapsNamed('read taps --taps', taps, model.config)
  const square = names.find((name) => tapOf(name)!.shape.includes('keys'))
  if (square && texts.length > 1)
    throw new UserError(
      `read taps --taps: ${square} has an entry for every two tokens of a text, so one text must be given, got ${texts.length}; read them one by one`,
    )
  const trees = texts.map(({ ids }) => ({ prompt: ids, completions: [] }))
  const { length } = texts[0]!.ids
  // Keys are those of the row, so a single text has a row without padding.
  const packing = texts.length === 1 ? { lengths: [length], tokenBudget: length, wantedMultiple: 1 } : {}
  const written = await over(model.policy, trees, tokenRows(names), {
    per: positions === 'all' ? 'token' : 'last',
    to,
    packing,
    ...options,
  })
  return Object.fromEntries(Object.entries(written).map(([name, { shape }]: [string, Tensor]) => [name, shape]))
}

/** A function that returns taps with the token before the head, the same one for the same taps. */
function tokenRows(names: readonly string[]): See {
  return kept(`taps:${names.join()}`, () => ({ tap, tokens, text, positions }) => ({
    ...Object.fromEntries(names.map((name) => [name, tokenFirst(tap(name))])),
    tokens,
    text,
    position: positions,
  }))
}

/** shape  [R, heads, T, …] → [R, T, heads, …]; [R, T, …] as it is */
export function tokenFirst(x: Value): Value {
  return x.shape.length === 4 ? transpose(x, [0, 2, 1, 3]) : x
}
