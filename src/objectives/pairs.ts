import { concat, demand, input, mean, reshape, sameShape, show, slice, tensor, UserError, type Value } from '../graph/index.ts'
import type { Tree } from '../policy/index.ts'
import { average, present } from './averages.ts'
import type { DefinedMark, Described, Example, Kind, Maker, Need, Objective, Scored, Sync } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import type { Point } from './points.ts'
import { column, type Side, type Sides, side, sideInputs, sidesOf, sideTensors } from './side.ts'
import { klTerms, lossTerms, type PriorTerms, slotEntropy } from './terms.ts'

/** Everything about a loss of pairs in one object: trainer, docs and tests read it. */
export interface PairDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each pair when its chosen side won. shape f32[pairs] */
  readonly perPair: (sides: Sides, params: Settings<P>) => Value
  /** Whether a pair's loss is of the whole batch; a vote must then be for one side, or a tie. */
  readonly whole?: true
  /** What it reads, where that depends on the parameters. */
  readonly needsOf?: (params: Settings<P>) => readonly Need[]
  /** What its examples are, where that is more than two completions. */
  readonly kindOf?: (params: Settings<P>) => Kind
  readonly syncOf?: (params: Settings<P>) => Sync | undefined
  readonly marksOf?: (params: Settings<P>) => readonly DefinedMark[]
  /** The loss of a pair when policy = reference, where it has one. It is the same whoever won, so it holds for soft labels too. */
  readonly atReference?: (params: Settings<P>) => number | undefined
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
  check(examples, { name, whole }) {
    if (whole && examples.length < 2)
      throw new UserError(
        `train: ${name} needs at least 2 pairs, since it compares pairs with each other, got ${examples.length}; give more rows`,
      )
    const soft = whole ? examples.find(({ label }) => label !== 0 && label !== 1 && label !== 0.5) : undefined
    if (soft)
      throw new UserError(
        `train: ${name} needs votes for one side of each pair, since it compares the sides of the whole batch, got a soft label of ${soft.label}; choose another objective, or leave prior out`,
      )
  },
  whereRead: ['prefixes', 'tokenShare', 'prior'],
  inputs: ({ examples, slots }) => ({
    ...sideInputs(slots),
    labels: input('labels', [examples]),
    prefixes: input('prefixes', [slots]),
    tokenShare: input('tokenShare', []),
    prior: input('prior', [slots]),
  }),
  given: (examples, _size, _asked, { now }) => ({
    ...sideTensors(examples),
    labels: column(examples.map(({ label }) => label)),
    prefixes: column(examples.flatMap(({ prefixes }) => prefixes ?? [0, 0])),
    tokenShare: tensor([now.length / betterTokens(now, lengthsOf)], []),
    prior: column(examples.flatMap(({ prior }) => prior ?? [0, 0])),
  }),
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

/** The first tokens of each side of a pair, as many as the shorter one has. */
export function prefixesOf({ prompt, completions }: Tree): Tree {
  const shorter = Math.min(...completions.map(({ length }) => length))
  return { prompt, completions: completions.map((ids) => ids.slice(0, shorter)) }
}

/** Pairs that are compared across the batch. */
const batches: Kind = { ...pairs, fewest: 2 }

/** Tokens of the better sides of some pairs; of a soft label, of both sides by their probability. */
export function betterTokens(now: readonly Example[], lengths: (example: Example) => readonly number[]): number {
  return now.reduce((total, example) => {
    const [chosen, rejected] = lengths(example) as [number, number]
    return total + example.label * chosen + (1 - example.label) * rejected
  }, 0)
}

function lengthsOf({ tree }: Example): number[] {
  return tree.completions.map(({ length }) => length)
}

/** Defines a loss of pairs: a function from parameters to an objective, with the definition on it. */
export function preferenceLoss<const P extends Params>(definition: PairDefinition<P>): Maker<P, PairObjective, PairDefinition<P>> {
  const { name, needs, perPair, atReference, whole } = definition
  const make = (given: Partial<Settings<P>> = {}): PairObjective => {
    const params = settle(name, definition.params, given)
    const sync = definition.syncOf?.(params)
    const start = atReference?.(params)
    const marks = definition.marksOf?.(params) ?? []
    return pairsObjective({
      kind: definition.kindOf?.(params) ?? (whole ? batches : pairs),
      name,
      params,
      needs: definition.needsOf?.(params) ?? needs,
      ...(whole ? { whole } : {}),
      ...(sync ? { sync } : {}),
      ...(marks.length > 0 ? { marks } : {}),
      perPair: (sides) => perPair(sides, params),
      ...(start === undefined ? {} : { atReference: () => start }),
    })
  }
  return Object.assign(make, { definition })
}

/** An objective of pairs from what it is: its terms follow from the loss of each pair. */
export function pairsObjective(given: Omit<PairObjective, 'terms' | 'atStart'>): PairObjective {
  const objective: PairObjective = {
    ...given,
    terms(scored) {
      const { margins } = scored.inputs
      const sides = { ...sidesOf(scored), ...(margins ? { margin: margins } : {}) }
      return lossTerms(
        given.name,
        scored.inside,
        {
          losses: () => pairLosses(objective, sides, scored.inputs.labels!),
          objective: ({ losses }) => mean(losses),
          chosen: () => sides.chosen,
          rejected: () => sides.rejected,
          margin: () => sides.chosen.logRatio.sub(sides.rejected.logRatio),
          softLabels: () => scored.inputs.labels!,
          prior: () => priorOf(scored),
          ...klTerms(() => concat([sides.chosen.logRatio, sides.rejected.logRatio], 0)),
          entropy: () => mean(slotEntropy(scored)),
        },
        'a pair has `chosen` and `rejected`',
      )
    },
    atStart: () => objective.atReference?.(),
  }
  return objective
}

/**
 * The loss of each pair under soft labels: q · loss(chosen won) + (1 − q) · loss(rejected won). It is exactly the objective's own
 * where q = 1; for DPO, a constant q < 1 is conservative DPO with ε = 1 − q.
 *
 * shape   q f32[pairs], the probability that the chosen side is the better one → f32[pairs]
 * throws  ShapeError when there is not one q per pair
 * source  Mitchell 2023, "A note on DPO with noisy preferences & relationship to IPO"
 */
export function pairLosses(objective: PairObjective, { chosen, rejected, ...rest }: Sides, q: Value): Value {
  demand(
    q.dtype === 'f32' && sameShape(q.shape, chosen.logp.shape) && sameShape(q.shape, rejected.logp.shape),
    () => `pairLosses: one f32 soft label per pair expected, got ${show(q)} for ${show(chosen.logp)} and ${show(rejected.logp)}`,
  )
  if (objective.whole) {
    const [better, worse] = [votedFor(q, chosen, rejected), votedFor(q, rejected, chosen)]
    return objective.perPair({ chosen: better, rejected: worse, ...rest })
  }
  const won = objective.perPair({ chosen, rejected, ...rest })
  const lost = objective.perPair({ chosen: rejected, rejected: chosen, ...rest })
  return won.mul(q).add(lost.mul(q.neg().add(1)))
}

/** What the prior says of both sides of each pair. */
export function priorOf({ inputs, examples }: Scored): PriorTerms {
  const both = reshape(inputs.prior!, [examples, 2])
  const [chosen, rejected] = [0, 1].map((k) => reshape(slice(both, 1, k, k + 1), [examples])) as [Value, Value]
  return { chosen, rejected, margin: chosen.sub(rejected) }
}

/** The side of each pair that its label, 1 or 0, is for; of a tie half of both, whose margin is 0. */
function votedFor(q: Value, one: Side, other: Side): Side {
  const of = (a: Value, b: Value) => a.mul(q).add(b.mul(q.neg().add(1)))
  return side({
    logp: of(one.logp, other.logp),
    reference: of(one.reference, other.reference),
    length: of(one.length, other.length),
    nll: () => of(one.nll, other.nll),
    textNll: () => of(one.textNll, other.textNll),
    prefixRatio: () => of(one.prefixRatio, other.prefixRatio),
    onPolicy: () => of(one.onPolicy, other.onPolicy),
  })
}
