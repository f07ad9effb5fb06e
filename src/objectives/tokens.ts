import { sum, type Value } from '../graph/index.ts'
import type { Described, Kind, Maker, Objective } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import { lossTerms, tokenEntropy } from './terms.ts'

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

/** A loss of single tokens with its parameters settled. */
export interface TokenObjective extends Objective {
  /** The loss of each token. shape f32[tokens] → f32[tokens] */
  perToken(logp: Value): Value
}

/** Texts, of which every token of the completion is learned; a step's mean is over tokens, however long their texts are. */
export const tokens: Kind = {
  name: 'tokens',
  sides: 1,
  reads: ['texts'],
  perToken: true,
  fewest: 1,
  weight: ({ tree }) => tree.completions[0]!.length,
  inputs: () => ({}),
  given: () => ({}),
  metrics: (examples) => ({ tokens: examples.reduce((sum, { tree }) => sum + tree.completions[0]!.length, 0) }),
  toJSON: () => 'tokens',
}

/** Defines a loss of single tokens, as preferenceLoss does for pairs. */
export function tokenLoss<const P extends Params>(definition: TokenDefinition<P>): Maker<P, TokenObjective, TokenDefinition<P>> {
  const { name, needs, perToken } = definition
  const make = (given: Partial<Settings<P>> = {}): TokenObjective => {
    const params = settle(name, definition.params, given)
    return {
      kind: tokens,
      name,
      params,
      needs,
      perToken: (logp) => perToken(logp, params),
      terms: ({ tokenLogps, weights, unit, inside, ...scores }) =>
        lossTerms(
          name,
          inside,
          {
            losses: () => perToken(tokenLogps, params).mul(weights),
            objective: ({ losses }) => sum(losses).mul(unit),
            entropy: () => sum(tokenEntropy({ ...scores, weights }).mul(weights)).mul(unit),
          },
          'texts have `objective`, `losses` and `tap`',
        ),
      atStart: () => undefined,
    }
  }
  return Object.assign(make, { definition })
}
