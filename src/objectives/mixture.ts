import { UserError } from '../graph/index.ts'
import type { Objective } from './objective.ts'
import { type PairObjective, pairsObjective } from './pairs.ts'

/** One part of a mixture. */
export interface MixturePart {
  readonly objective: PairObjective
  readonly weight: number
}

/**
 * A weighted sum of losses of pairs, as one objective: MPO is DPO, BCO and SFT at 0.8, 0.2 and 1.
 *
 * shape   as its parts: log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * throws  UserError when a part is of other data than pairs, a weight is not above 0, or two parts move the reference in different ways
 * limits  a part that compares the whole batch makes the mixture one that does
 * source  Wang et al. 2024 (MPO), arXiv:2411.10442
 */
export function mixture({ of }: { readonly of: readonly { readonly objective: Objective; readonly weight: number }[] }): PairObjective {
  if (!Array.isArray(of) || of.length === 0)
    throw new UserError(
      `mixture.of: must list objectives with their weights, got ${JSON.stringify(of)}; write [{ objective: dpo(), weight: 0.8 }, …]`,
    )
  of.forEach(({ weight }, i) => {
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight <= 0)
      throw new UserError(
        `mixture.of[${i}].weight: must be a number above 0, got ${JSON.stringify(weight)}; leave the part out to have none of it`,
      )
  })
  const other = of.findIndex(({ objective }) => objective.kind.name !== of[0]!.objective.kind.name || !('perPair' in objective))
  if (other >= 0)
    throw new UserError(
      `mixture.of[${other}].objective: must be of pairs, as the other parts are, got ${of[other]!.objective.name}, which is of ${of[other]!.objective.kind.name}; train on one form of data`,
    )
  const parts = of as readonly MixturePart[]
  const syncs = new Map(parts.flatMap(({ objective: { sync } }) => (sync ? [[JSON.stringify(sync), sync] as const] : [])))
  if (syncs.size > 1)
    throw new UserError(`mixture.of: parts must agree on sync, got ${[...syncs.keys()].join(' and ')}; there is one reference`)
  const [sync] = syncs.values()
  const kinds = parts.map(({ objective }) => objective.kind)
  const starts = parts.map(({ objective }) => objective.atReference)
  const whole = parts.some((part) => part.objective.whole)
  const marks = parts.flatMap(({ objective }) => objective.marks ?? [])
  const params = { of: parts.map(({ objective: { name, params }, weight }) => ({ objective: { name, ...params }, weight })) }
  return pairsObjective({
    kind: {
      ...(kinds.find(({ treeOf }) => treeOf) ?? kinds[0]!),
      fewest: kinds.reduce((most, { fewest }) => Math.max(most, fewest), 1),
    },
    name: 'mixture',
    params,
    needs: [...new Set(parts.flatMap(({ objective }) => objective.needs))],
    ...(whole ? { whole } : {}),
    ...(sync ? { sync } : {}),
    ...(marks.length > 0 ? { marks } : {}),
    perPair: (sides) => parts.map(({ objective, weight }) => objective.perPair(sides).mul(weight)).reduce((a, b) => a.add(b)),
    ...(starts.every((start) => start !== undefined)
      ? { atReference: () => parts.reduce((total, { objective, weight }) => total + weight * objective.atReference!(), 0) }
      : {}),
  })
}
