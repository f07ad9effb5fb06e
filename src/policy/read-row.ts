import { type Tensor, tensor } from '../graph/index.ts'
import { over, type See } from './over.ts'
import type { Policy } from './policy.ts'

/** What a function sees of tokens in one row, exactly as long as they are, so that nothing is padding; without the axis of rows. */
export async function readRow(policy: Policy, ids: readonly number[], see: See): Promise<Record<string, Tensor>> {
  const packing = { lengths: [ids.length], tokenBudget: ids.length, wantedMultiple: 1 }
  const found = await over(policy, [{ prompt: ids, completions: [] }], see, { packing })
  return Object.fromEntries(Object.entries(found).map(([name, { shape, data }]) => [name, tensor(Float32Array.from(data), shape.slice(1))]))
}
