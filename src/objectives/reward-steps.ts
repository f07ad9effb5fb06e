import { input, logSigmoid, step, sum, UserError, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import { readToEnds } from './ends.ts'
import type { Described, Example, Kind, Maker, Objective } from './objective.ts'
import { type Settings, settle } from './params.ts'
import { column } from './side.ts'
import { lossTerms } from './terms.ts'

/** Completions in steps, each right or wrong: the head of a reward model scores the last token of every step. A step's mean is over steps. */
export const scoredSteps: Kind = {
  name: 'scoredSteps',
  sides: 1,
  reads: ['steps'],
  scores: true,
  alone: true,
  perToken: true,
  fewest: 1,
  check(examples, { name }) {
    const labels = examples.flatMap(({ steps = [] }) => steps.map(({ label }) => label))
    if (labels.length === 0 || labels.every((label) => label === labels[0]))
      throw new UserError(
        `train: ${name} needs steps that are right and some that are not, got ${labels.length} that are all ${labels[0] === 1 ? 'right' : 'wrong'}; give both`,
      )
  },
  treeOf: readToEnds,
  weight: ({ steps = [] }) => steps.length,
  inputs: ({ tokens }) => ({ ends: input('ends', [tokens]), stepLabels: input('stepLabels', [tokens]) }),
  given: (examples, { tokens }) => ({
    ends: column(atEnds(examples, tokens, () => 1)),
    stepLabels: column(atEnds(examples, tokens, (label) => label)),
  }),
  metrics(examples, sums) {
    const counts = examples.map(({ steps = [] }) => steps.length)
    const means = sums.map(([sum], i) => sum! / counts[i]!)
    return present({ stepReward: average(means, counts) })
  },
  toJSON: () => 'scoredSteps',
}

/** A number where a step of a micro-batch ends, 0 at all other positions asked for. shape [tokens] */
function atEnds(examples: readonly Pick<Example, 'tree' | 'steps'>[], tokens: number, number: (label: number) => number): number[] {
  const all = new Array<number>(tokens).fill(0)
  let first = 0
  for (const { tree, steps = [] } of examples) {
    for (const { end, label } of steps) all[first + end] = number(label)
    first += tree.completions[0]!.length + 1
  }
  return all
}

/** The mean loss of some steps that one can check by hand; slopes are its derivatives by their scores. */
export interface KnownSteps {
  readonly id: string
  readonly scores: readonly number[]
  readonly labels: readonly number[]
  readonly loss: number
  readonly slopes: readonly number[]
}

const params = {
  bootstrap: { about: 'rows: training rows are drawn with replacement, by train.seed', default: 'none', choices: ['none', 'rows'] },
  posterior: {
    about: 'of what the doubt is kept: the whole network, or its head alone',
    default: 'network',
    choices: ['network', 'head'],
  },
} as const

const definition = {
  name: 'rewardSteps',
  about: 'A head scores every step of a completion where it ends; a score is the log-odds that the step is right.',
  formula: '−log σ(±r) of each step',
  needs: ['policy'],
  params,
  source: 'Lightman et al. 2023, arXiv:2305.20050, section 2.6',
  // One right and one wrong step, each of a score of 0.9: the mean of V-BT-1 and of it with 0.9 more.
  known: [
    { id: 'V-BT-1', scores: [0.9, 0.9], labels: [1, 0], loss: 0.7911538747, slopes: [-0.2890504974 / 2, 0.7109495026 / 2] },
    { id: 'V-BT-1', scores: [0.9], labels: [1], loss: 0.3411538747, slopes: [-0.2890504974] },
  ] as readonly KnownSteps[],
} satisfies Described<typeof params> & { readonly known: readonly KnownSteps[] }

/**
 * A process reward model: −log σ(r) of a right step and −log σ(−r) of a wrong one, with r the score of a head at the last token of the step, which has
 * read all steps before. The mean is over steps, however many a completion has.
 *
 * units   scores in log-odds that the step is right
 * source  Lightman et al. 2023, arXiv:2305.20050; Uesato et al. 2022, arXiv:2211.14275
 */
export const rewardSteps: Maker<typeof params, Objective, typeof definition> = Object.assign(
  (given: Partial<Settings<typeof params>> = {}): Objective => ({
    kind: scoredSteps,
    name: definition.name,
    params: settle(definition.name, params, given),
    needs: ['policy'],
    terms: ({ tokenLogps, inputs, unit, inside }) =>
      lossTerms(
        definition.name,
        inside,
        {
          losses: () => stepLosses(tokenLogps, inputs.stepLabels!).mul(inputs.ends!),
          objective: ({ losses }) => sum(losses).mul(unit),
        },
        'steps have `objective` and `losses`',
      ),
    logged: ({ tokenLogps, inputs, unit }) => {
      const toLabel = tokenLogps.mul(inputs.stepLabels!.mul(2).sub(1))
      const right = step(toLabel).add(step(toLabel.neg()).neg()).add(1).mul(0.5)
      return { stepAccuracy: sum(right.mul(inputs.ends!)).mul(unit) }
    },
    atStart: () => undefined,
  }),
  { definition },
)

/** The loss of a score, were a step to end there. shape f32[tokens] → f32[tokens] */
export function stepLosses(scores: Value, labels: Value): Value {
  return logSigmoid(scores)
    .mul(labels)
    .add(logSigmoid(scores.neg()).mul(labels.neg().add(1)))
    .neg()
}
