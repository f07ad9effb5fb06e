import { input, sum, tensor, UserError, type Value } from '../graph/index.ts'
import type { Described, Kind, Maker, Objective } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import { lossTerms } from './terms.ts'
import { tokens } from './tokens.ts'

/** Everything about a loss of single tokens beside a teacher in one object. */
export interface DistillationDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each token from the scores of all that may come next. shape f32[tokens, vocabulary] each → f32[tokens] */
  readonly perToken: (scores: TeacherAndPolicy, params: Settings<P>) => Value
  readonly known: readonly KnownScores<P>[]
}

/** Scores of every next token before the softmax. */
export interface TeacherAndPolicy {
  readonly policy: Value
  readonly teacher: Value
}

/** A value one can check by hand: the loss of one token; slopes are its derivatives by the policy's scores. */
export interface KnownScores<P extends Params = Params> {
  readonly id: string
  readonly policy: readonly number[]
  readonly teacher: readonly number[]
  readonly params?: Partial<Settings<P>>
  readonly loss: number
  readonly slopes: readonly number[]
}

/** A loss of single tokens beside a teacher, with its parameters settled. */
export interface DistillationObjective extends Objective {
  /** The loss of each token. shape f32[tokens, vocabulary] each → f32[tokens] */
  perToken(scores: TeacherAndPolicy): Value
}

/** Texts, of which a teacher's distribution over every next token is learned; where it is not trusted, the token itself. */
export const distillation: Kind = {
  ...tokens,
  name: 'distillation',
  reads: [],
  check(examples, { name }) {
    const wrong = examples.find(({ trust, tree }) => trust && trust.length !== tree.completions[0]!.length)
    if (wrong)
      throw new UserError(
        `train: ${name} needs one trust for each of ${wrong.tree.completions[0]!.length} tokens, got ${wrong.trust!.length}; leave it out to trust the teacher everywhere`,
      )
  },
  inputs: ({ tokens: count }) => ({ trust: input('trust', [count]) }),
  given(examples, { tokens: count }) {
    const trust = new Float32Array(count)
    trust.set(examples.flatMap(({ tree, trust }) => trust ?? tree.completions[0]!.map(() => 1)))
    return { trust: tensor(trust, [count]) }
  },
  toJSON: () => 'distillation',
}

/** Defines a loss of single tokens beside a teacher, as preferenceLoss does for pairs. */
export function distillationLoss<const P extends Params>(
  definition: DistillationDefinition<P>,
): Maker<P, DistillationObjective, DistillationDefinition<P>> {
  const { name, needs, perToken } = definition
  const make = (given: Partial<Settings<P>> = {}): DistillationObjective => {
    const params = settle(name, definition.params, given)
    return {
      kind: distillation,
      name,
      params,
      needs,
      perToken: (scores) => perToken(scores, params),
      terms: ({ tokenLogps, logits, weights, unit, inputs, inside }) =>
        lossTerms(
          name,
          inside,
          {
            losses() {
              const said = tokenLogps.neg()
              const taught = perToken({ policy: logits.policy(), teacher: logits.teacher() }, params)
              return said.add(taught.sub(said).mul(inputs.trust!)).mul(weights)
            },
            objective: ({ losses }) => sum(losses).mul(unit),
          },
          'distillation has `objective`, `losses` and `tap`',
        ),
      atStart: () => undefined,
    }
  }
  return Object.assign(make, { definition })
}
