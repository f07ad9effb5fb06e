import { gradient } from '../graph/index.ts'
import { passesAgree } from './over-risk.ts'
import { type ByParameter, batchesOf, type Risk, type RiskValue, treesOf, weightOf } from './risk.ts'
import { runBatch } from './run-batch.ts'

/** A tree of a risk with the gradient of its own loss. */
export interface TreeGradient {
  /** Its place among the trees. */
  readonly index: number
  /** Its own loss, before any mean. */
  readonly loss: number
  /** The gradient of that loss; it is made anew for each tree, so keep what you need of it. */
  readonly gradient: ByParameter
}

/**
 * Calls f with the gradient of each tree's own loss, one tree after the other, and returns what f made of each. The mean (or the sum) of these
 * gradients is the risk's gradient. Only one gradient is held at a time.
 *
 * throws  UserError when two passes differ, and for a gradient mark that was not allowed
 */
export async function perExample<T>(
  risk: Risk,
  f: (example: TreeGradient) => T | Promise<T>,
): Promise<RiskValue & { readonly values: readonly T[] }> {
  const trees = treesOf(risk)
  if (risk.passes !== 'checked') await passesAgree(risk, trees, batchesOf(risk, trees)[0]!)
  const values: T[] = []
  let total = 0
  let marks: readonly string[] = []
  for (const [index, tree] of trees.entries()) {
    const [batch] = batchesOf(risk, [tree])
    const found = await runBatch(risk, batch!, [tree], {
      name: 'gradient',
      make: ({ total: loss, wrt }) => ({ outputs: gradient(loss, wrt) }),
    })
    marks = found.marks
    total += weightOf(risk, trees.length) * found.losses[0]!
    values.push(await f({ index, loss: found.losses[0]!, gradient: found.outputs }))
  }
  return { risk: total, trees: trees.length, reduce: risk.reduce, marks, values }
}
