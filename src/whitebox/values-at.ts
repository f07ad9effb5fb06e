import { type Tensor, tensor } from '../graph/index.ts'
import { type Model, over, reader } from '../policy/index.ts'

/**
 * Values at taps as a model reads tokens, without the axis of rows.
 *
 * throws  UserError for a tap or an id that the model does not have
 */
export async function valuesAt(model: Model, ids: readonly number[], taps: readonly string[]): Promise<Record<string, Tensor>> {
  const packing = { lengths: [ids.length], tokenBudget: ids.length, wantedMultiple: 1 }
  const found = await over(model.policy, [{ prompt: ids, completions: [] }], reader(taps), { packing })
  return Object.fromEntries(Object.entries(found).map(([name, { shape, data }]) => [name, tensor(Float32Array.from(data), shape.slice(1))]))
}
