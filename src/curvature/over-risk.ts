import { UserError } from '../graph/index.ts'
import type { Batch, Tree } from '../policy/index.ts'
import { type ByParameter, batchesOf, type Risk, type RiskValue, treesOf, weightOf } from './risk.ts'
import { type Quantity, runBatch } from './run-batch.ts'

/**
 * Adds up over all batches of a risk, in f64, a quantity that is shaped like its parameters.
 *
 * throws  UserError when two passes differ, and as runBatch
 */
export async function overRisk(risk: Risk, quantity: Quantity): Promise<RiskValue & { readonly sums: ByParameter }> {
  const trees = treesOf(risk)
  const batches = batchesOf(risk, trees)
  await passesAgree(risk, trees, batches[0]!)
  const weight = weightOf(risk, trees.length)
  const sums: Record<string, { readonly dtype: 'f32'; readonly shape: readonly number[]; readonly data: Float64Array }> = {}
  let total = 0
  let marks: readonly string[] = []
  for (const batch of batches) {
    const { losses, outputs, marks: found } = await runBatch(risk, batch, trees, quantity)
    marks = found
    for (const loss of losses) total += weight * loss
    for (const [name, { shape, data }] of Object.entries(outputs)) {
      const sum = (sums[name] ??= { dtype: 'f32', shape, data: new Float64Array(data.length) })
      for (let i = 0; i < data.length; i++) sum.data[i]! += weight * data[i]!
    }
  }
  return { risk: total, trees: trees.length, reduce: risk.reduce, marks, sums }
}

/**
 * Makes sure that a risk is a function of its parameters alone: the same trees are given again, and the same losses come of them.
 *
 * throws  UserError where they differ (dropout, a feed or a batch that moves)
 */
export async function passesAgree(risk: Risk, trees: readonly Tree[], batch: Batch): Promise<void> {
  const remedy = 'give the same trees and feeds on every pass, and no dropout'
  const again = treesOf(risk)
  if (again.length !== trees.length || again.some((tree, i) => JSON.stringify(tree) !== JSON.stringify(trees[i])))
    throw new UserError(`risk: two passes must be over the same trees, got others the second time; ${remedy}`)
  const [one, two] = [await runBatch(risk, batch, trees, { name: 'losses' }), await runBatch(risk, batch, trees, { name: 'losses' })]
  const at = one.losses.findIndex((loss, i) => !Object.is(loss, two.losses[i]))
  if (at >= 0)
    throw new UserError(`risk: two passes must give the same losses, got ${one.losses[at]} and ${two.losses[at]} for one tree; ${remedy}`)
}
