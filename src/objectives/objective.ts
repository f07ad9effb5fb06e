import { demand, sameShape, show, type Value } from '../graph/index.ts'
import { type Params, type Settings, settle } from './params.ts'
import type { Point, PointSide } from './points.ts'
import type { Side, Sides } from './side.ts'

/** What an objective reads besides the pairs themselves. */
export type Need = 'policy' | 'reference' | 'length'

interface Described<P extends Params> {
  readonly name: string
  readonly about: string
  readonly needs: readonly Need[]
  readonly params: P
  readonly source: string
}

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

/** Everything about a loss of single labelled completions in one object. */
export interface ExampleDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each completion. shape f32[examples] */
  readonly perExample: (example: Example, z0: Value, params: Settings<P>) => Value
  /** The loss of one completion when policy = reference; z0 is then 0. */
  readonly atReference: (params: Settings<P>, label: number, z0: number) => number
  readonly known: readonly KnownExample<P>[]
}

/** A value one can check by hand; slope is d loss / d log π. */
export interface KnownExample<P extends Params = Params> {
  readonly id: string
  readonly at: PointSide
  readonly params?: Partial<Settings<P>>
  readonly label: 0 | 1
  readonly z0: number
  readonly loss: number
  readonly slope?: number
}

/** Everything about a loss of single tokens in one object. */
export interface TokenDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each token from its log-probability. shape f32[tokens] → f32[tokens] */
  readonly perToken: (logp: Value, params: Settings<P>) => Value
  readonly known: readonly KnownToken<P>[]
}

/** A value one can check by hand: the mean loss of some tokens; slopes are its derivatives by their log-probabilities. */
export interface KnownToken<P extends Params = Params> {
  readonly id: string
  readonly logps: readonly number[]
  readonly params?: Partial<Settings<P>>
  readonly loss: number
  readonly slopes: readonly number[]
}

/** A batch of completions with their labels: 1 desirable, 0 undesirable, f32[n]. */
export interface Example extends Side {
  readonly label: Value
}

/** A loss of pairs with its parameters settled. */
export interface PairObjective {
  readonly kind: 'pairs'
  readonly name: string
  readonly params: Readonly<Record<string, number | string>>
  readonly needs: readonly Need[]
  /** The loss of each pair when its chosen side won; `pairLosses` adds the soft labels. shape f32[pairs] */
  perPair(sides: Sides): Value
  /** The loss of every pair when policy = reference, whatever its soft label; absent where no reference is read. */
  readonly atReference?: () => number
}

/** A loss of single labelled completions with its parameters settled. */
export interface ExampleObjective {
  readonly kind: 'examples'
  readonly name: string
  readonly params: Readonly<Record<string, number | string>>
  readonly needs: readonly Need[]
  /** The loss of each completion. shape z0 f32[] → f32[examples] */
  perExample(example: Example, z0: Value): Value
  /** The loss of one completion when policy = reference. */
  readonly atReference: (label: number, z0?: number) => number
}

/** A loss of single tokens with its parameters settled. */
export interface TokenObjective {
  readonly kind: 'tokens'
  readonly name: string
  readonly params: Readonly<Record<string, number | string>>
  readonly needs: readonly Need[]
  /** The loss of each token. shape f32[tokens] → f32[tokens] */
  perToken(logp: Value): Value
}

export type Objective = PairObjective | ExampleObjective | TokenObjective

/** Makes an objective from its parameters; what it is stands in its definition. */
export interface Maker<P extends Params, O extends Objective, D> {
  (params?: Partial<Settings<P>>): O
  readonly definition: D
}

/** Defines a loss of pairs: a function from parameters to an objective, with the definition on it. */
export function preferenceLoss<const P extends Params>(definition: PairDefinition<P>): Maker<P, PairObjective, PairDefinition<P>> {
  const { name, needs, perPair, atReference } = definition
  const make = (given: Partial<Settings<P>> = {}): PairObjective => {
    const params = settle(name, definition.params, given)
    return {
      kind: 'pairs',
      name,
      params,
      needs,
      perPair: (sides) => perPair(sides, params),
      ...(atReference && { atReference: () => atReference(params) }),
    }
  }
  return Object.assign(make, { definition })
}

/** Defines a loss of single labelled completions, as preferenceLoss does for pairs. */
export function exampleLoss<const P extends Params>(definition: ExampleDefinition<P>): Maker<P, ExampleObjective, ExampleDefinition<P>> {
  const { name, needs, perExample, atReference } = definition
  const make = (given: Partial<Settings<P>> = {}): ExampleObjective => {
    const params = settle(name, definition.params, given)
    return {
      kind: 'examples',
      name,
      params,
      needs,
      perExample: (example, z0) => perExample(example, z0, params),
      atReference: (label, z0 = 0) => atReference(params, label, z0),
    }
  }
  return Object.assign(make, { definition })
}

/** Defines a loss of single tokens, as preferenceLoss does for pairs. */
export function tokenLoss<const P extends Params>(definition: TokenDefinition<P>): Maker<P, TokenObjective, TokenDefinition<P>> {
  const { name, needs, perToken } = definition
  const make = (given: Partial<Settings<P>> = {}): TokenObjective => {
    const params = settle(name, definition.params, given)
    return { kind: 'tokens', name, params, needs, perToken: (logp) => perToken(logp, params) }
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
