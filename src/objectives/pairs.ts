import { concat, demand, input, mean, sameShape, show, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import type { Described, Kind, Maker, Objective } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import type { Point } from './points.ts'
import { column, type Sides, sideInputs, sidesOf, sideTensors } from './side.ts'
import { halfSquare, lossTerms } from './terms.ts'

/** Everything about a loss of pairs in one object: trainer, docs and tests read it. */
export interface PairDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each pair when its chosen side won. shape f32[pairs] */
  readonly perPair: (sides: Sides, params: Settings<P>) => Value
  /** The loss of a pair when policy = reference. It is the same whoever won, so it holds for soft labels too. */
  readonly atReference?: (params: Settings<P>) => number
  readonly known: readonly KnownPair<P>[]
}

/** A value one can check by hand; slopes are d loss / d log π of the two sides. */
export interface KnownPair<P extends Params = Params> {
  readonly id: string
  readonly at: Point
  readonly params?: Partial<Settings<P>>
  /** Probability that the chosen side is the better one. Default 1. */
  readonly q?: number
  readonly loss: number
  readonly slopes?: { readonly chosen: number; readonly rejected: number }
}

/** A loss of pairs with its parameters settled. */
export interface PairObjective extends Objective {
  /** The loss of each pair when its chosen side won; `pairLosses` adds the soft labels. shape f32[pairs] */
  perPair(sides: Sides): Value
  /** The loss of every pair when policy = reference, whatever its soft label; absent where no reference is read. */
  readonly atReference?: () => number
}

/** Two completions of one prompt, and the probability that the first is the better one. */
export const pairs: Kind = {
  name: 'pairs',
  sides: 2,
  reads: ['pairs'],
  perToken: false,
  fewest: 1,
  ofPair: (pair) => [pair],
  weight: () => 1,
  inputs: ({ examples, slots }) => ({ ...sideInputs(slots), labels: input('labels', [examples]) }),
  given: (examples) => ({ ...sideTensors(examples), labels: column(examples.map(({ label }) => label)) }),
  metrics(examples, logps) {
    // Chosen is the side that the label prefers, whatever its place; where it prefers none, both are half of each.
    const better = examples.map(({ label }) => (Math.sign(label - 0.5) + 1) / 2)
    const ofBetter = (numbers: readonly (readonly [number, number])[]) => numbers.map(([a, b], i) => a * better[i]! + b * (1 - better[i]!))
    const both = (at: (i: number, side: 0 | 1) => number) => examples.map((_, i) => [at(i, 0), at(i, 1)] as const)
    const swapped = (numbers: readonly (readonly [number, number])[]) => numbers.map(([a, b]) => [b, a] as const)
    const ratios = both((i, side) => logps[i]![side]! - examples[i]!.reference[side]!)
    const lengths = both((i, side) => examples[i]!.tree.completions[side]!.length)
    const [chosen, rejected] = [ofBetter(ratios), ofBetter(swapped(ratios))]
    const margins = chosen.map((r, i) => r - rejected[i]!)
    return present({
      chosenLogRatio: average(chosen),
      rejectedLogRatio: average(rejected),
      margin: average(margins),
      accuracy: average(margins.map((m) => (m > 0 ? 1 : m < 0 ? 0 : 0.5))),
      kl: average(ratios.flat().map((r) => (r * r) / 2)),
      chosenTokens: average(ofBetter(lengths)),
      rejectedTokens: average(ofBetter(swapped(lengths))),
    })
  },
  toJSON: () => 'pairs',
}

/** Defines a loss of pairs: a function from parameters to an objective, with the definition on it. */
export function preferenceLoss<const P extends Params>(definition: PairDefinition<P>): Maker<P, PairObjective, PairDefinition<P>> {
  const { name, needs, perPair, atReference } = definition
  const make = (given: Partial<Settings<P>> = {}): PairObjective => {
    const params = settle(name, definition.params, given)
    const objective: PairObjective = {
      kind: pairs,
      name,
      params,
      needs,
      perPair: (sides) => perPair(sides, params),
      ...(atReference && { atReference: () => atReference(params) }),
      terms(scored) {
        const sides = sidesOf(scored)
        return lossTerms(
          name,
          scored.inside,
          {
            losses: () => pairLosses(objective, sides, scored.inputs.labels!),
            objective: ({ losses }) => mean(losses),
            chosen: () => sides.chosen,
            rejected: () => sides.rejected,
            margin: () => sides.chosen.logRatio.sub(sides.rejected.logRatio),
            softLabels: () => scored.inputs.labels!,
            kl: () => halfSquare(concat([sides.chosen.logRatio, sides.rejected.logRatio], 0)),
          },
          'a pair has `chosen` and `rejected`',
        )
      },
      atStart: () => objective.atReference?.(),
    }
    return objective
  }
  return Object.assign(make, { definition })
}

/**
 * The loss of each pair under soft labels: q · loss(chosen won) + (1 − q) · loss(rejected won). It is exactly the objective's own
 * where q = 1; for DPO, a constant q < 1 is conservative DPO with ε = 1 − q.
 *
 * shape   q f32[pairs], the probability that the chosen side is the better one → f32[pairs]
 * throws  ShapeError when there is not one q per pair
 * source  Mitchell 2023, "A note on DPO with noisy preferences & relationship to IPO"
 */
export function pairLosses(objective: PairObjective, { chosen, rejected }: Sides, q: Value): Value {
  demand(
    q.dtype === 'f32' && sameShape(q.shape, chosen.logp.shape) && sameShape(q.shape, rejected.logp.shape),
    () => `pairLosses: one f32 soft label per pair expected, got ${show(q)} for ${show(chosen.logp)} and ${show(rejected.logp)}`,
  )
  const won = objective.perPair({ chosen, rejected })
  const lost = objective.perPair({ chosen: rejected, rejected: chosen })
  return won.mul(q).add(lost.mul(q.neg().add(1)))
}
