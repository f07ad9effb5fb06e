import { type Tensor, UserError } from '../graph/index.ts'
import type { Batch, Tree } from '../policy/index.ts'
import { type ByParameter, batchesOf, type Risk, type RiskValue, treesOf, weightOf } from './risk.ts'
import { type Room, roomOf } from './room.ts'
import { type Quantity, runBatch } from './run-batch.ts'

/**
 * Adds up over all batches of a risk, in f64, a quantity that is shaped like its parameters; into `room`, which gives zeros.
 *
 * throws  UserError when two passes differ, and as runBatch
 */
export async function overRisk(
  risk: Risk,
  quantity: Quantity,
  room: (name: string, size: number) => Float64Array = (_, size) => new Float64Array(size),
): Promise<RiskValue & { readonly sums: ByParameter }> {
  const kept = roomOf(risk.policy)
  return kept.turn(() => inTurn(risk, quantity, room, kept))
}

async function inTurn(
  risk: Risk,
  quantity: Quantity,
  room: (name: string, size: number) => Float64Array,
  kept: Room,
): Promise<RiskValue & { readonly sums: ByParameter }> {
  const trees = treesOf(risk)
  const batches = batchesOf(risk, trees)
  if (risk.passes !== 'checked') await passesAgree(risk, trees, batches[0]!)
  const weight = weightOf(risk, trees.length)
  const sums: Record<string, { readonly dtype: 'f32'; readonly shape: readonly number[]; readonly data: Float64Array }> = {}
  let total = 0
  let marks: readonly string[] = []
  for (const batch of batches) {
    const { losses, outputs, marks: found } = await runBatch(risk, batch, trees, quantity, kept.output)
    marks = found
    for (const loss of losses) total += weight * loss
    for (const [name, { shape, data }] of Object.entries(outputs)) {
      const sum = (sums[name] ??= { dtype: 'f32', shape, data: room(name, data.length) })
      addWeighted(sum.data, weight, data)
    }
  }
  return { risk: total, trees: trees.length, reduce: risk.reduce, marks, sums }
}

/** A loop of its own, which is compiled for arrays of these kinds alone. */
function addWeighted(to: Float64Array, weight: number, data: Tensor['data']): void {
  for (let i = 0; i < data.length; i++) to[i]! += weight * data[i]!
}

/**
 * The same risk, with two passes compared once for a whole series of quantities: its trees are what they are now.
 *
 * throws  UserError where the passes differ, as every quantity of a risk that is not checked
 */
export async function checked(risk: Risk): Promise<Risk> {
  if (risk.passes === 'checked') return risk
  const trees = treesOf(risk)
  await passesAgree(risk, trees, batchesOf(risk, trees)[0]!)
  return { ...risk, trees, passes: 'checked' }
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
