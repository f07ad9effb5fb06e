import { input, mean, tensor, UserError, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import { driftOf, mismatched } from './mismatched.ts'
import type { Described, Kind, Maker, Objective } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import type { PointSide } from './points.ts'
import { column, type LabelledSide, sideInputs, sideOf, sideTensors } from './side.ts'
import { klTerms, lossTerms, slotEntropy } from './terms.ts'

/** Everything about a loss of single labelled completions in one object. */
export interface LabelledDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each completion; linear in its label, so that a label between 0 and 1 is an expectation. shape f32[examples] */
  readonly perExample: (example: LabelledSide, z0: Value, params: Settings<P>) => Value
  /** The loss of one completion when policy = reference, where it reads one; z0 is then 0. */
  readonly atReference?: (params: Settings<P>, label: number, z0: number) => number
  /** What its examples are; labelled completions with the drift z0 unless told. */
  readonly kind?: Kind
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

/** A loss of single labelled completions with its parameters settled. */
export interface LabelledObjective extends Objective {
  /** The loss of each completion. shape z0 f32[] → f32[examples] */
  perExample(example: LabelledSide, z0: Value): Value
  /** The loss of one completion when policy = reference; absent where no reference is read. */
  readonly atReference?: (label: number, z0?: number) => number
}

/** Single completions, each with the probability that it is desirable. A pair with soft label q is two of them, of q and 1 − q. */
export const labelled: Kind = {
  name: 'labelled',
  sides: 1,
  reads: ['labelled', 'pairs'],
  perToken: false,
  fewest: 2,
  ofPair: ({ tree: { prompt, completions }, label }) =>
    completions.map((completion, k) => ({ tree: { prompt, completions: [completion] }, label: k === 0 ? label : 1 - label })),
  check(examples, { name }) {
    if (examples.length < 2)
      throw new UserError(
        `train: ${name} needs at least 2 completions, since what others say of each prompt is its baseline, got ${examples.length}; give more rows`,
      )
    const [first] = examples
    if ((first!.label === 0 || first!.label === 1) && examples.every(({ label }) => label === first!.label))
      throw new UserError(
        `train: ${name} needs desirable and undesirable completions, got ${examples.length} that are all ${first!.label === 1 ? 'desirable' : 'undesirable'}; give both, or learn the desirable ones as texts`,
      )
  },
  asks: mismatched,
  weight: () => 1,
  inputs: ({ examples, slots }) => ({ ...sideInputs(slots), labels: input('labels', [examples]), z0: input('z0', []) }),
  given: (examples, _, asked) => ({
    ...sideTensors(examples),
    labels: column(examples.map(({ label }) => label)),
    z0: tensor([driftOf(asked) ?? 0], []),
  }),
  /** Desirable completions in the place of chosen, undesirable ones in that of rejected, each by the probability that it is one. */
  metrics(examples, logps, asked) {
    const z0 = driftOf(asked)
    const ratios = examples.map(({ reference }, i) => logps[i]![0]! - reference[0]!)
    const good = examples.map(({ label }) => label)
    const bad = good.map((label) => 1 - label)
    const lengths = examples.map(({ tree }) => tree.completions[0]!.length)
    const [chosen, rejected] = [average(ratios, good), average(ratios, bad)]
    const right = ratios.map((r, i) => (r === (z0 ?? 0) ? 0.5 : r > (z0 ?? 0) ? good[i]! : bad[i]!))
    return present({
      chosenLogRatio: chosen,
      rejectedLogRatio: rejected,
      margin: chosen === undefined || rejected === undefined ? undefined : chosen - rejected,
      accuracy: average(right),
      kl: average(ratios.map((r) => (r * r) / 2)),
      chosenTokens: average(lengths, good),
      rejectedTokens: average(lengths, bad),
      z0,
    })
  },
  toJSON: () => 'labelled',
}

/** Defines a loss of single labelled completions, as preferenceLoss does for pairs. */
export function labelledLoss<const P extends Params>(
  definition: LabelledDefinition<P>,
): Maker<P, LabelledObjective, LabelledDefinition<P>> {
  const { name, needs, perExample, atReference } = definition
  const make = (given: Partial<Settings<P>> = {}): LabelledObjective => {
    const params = settle(name, definition.params, given)
    const objective: LabelledObjective = {
      kind: definition.kind ?? labelled,
      name,
      params,
      needs,
      perExample: (example, z0) => perExample(example, z0, params),
      ...(atReference ? { atReference: (label: number, z0 = 0) => atReference(params, label, z0) } : {}),
      terms(scored) {
        const { labels, z0 } = scored.inputs as { labels: Value; z0: Value }
        const completion = sideOf(scored, { label: labels })
        return lossTerms(
          name,
          scored.inside,
          {
            losses: () => objective.perExample(completion, z0),
            objective: ({ losses }) => mean(losses),
            completion: () => completion,
            ...klTerms(() => completion.logRatio),
            entropy: () => mean(slotEntropy(scored)),
          },
          'labelled completions have `completion`',
        )
      },
      atStart: (examples) => (atReference ? average(examples.map(({ label }) => atReference(params, label, 0))) : undefined),
    }
    return objective
  }
  return Object.assign(make, { definition })
}
