import type { Tensor } from '../graph/index.ts'
import { type Model, reader, readRow } from '../policy/index.ts'

/**
 * Values at taps as a model reads tokens, without the axis of rows.
 *
 * throws  UserError for a tap or an id that the model does not have
 */
export function valuesAt(model: Model, ids: readonly number[], taps: readonly string[]): Promise<Record<string, Tensor>> {
  return readRow(model.policy, ids, reader(taps))
}
