import { input, logSigmoid, UserError, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import { endsOf, readToEnds } from './ends.ts'
import { labelled, labelledLoss } from './labelled.ts'
import type { Kind } from './objective.ts'
import { points } from './points.ts'

/** Single labelled completions that the head of a reward model scores, each where it ends: `logp` is its score. */
export const scoredLabels: Kind = {
  ...labelled,
  name: 'scoredLabels',
  reads: ['labelled'],
  scores: true,
  alone: true,
  fewest: 1,
  asks: () => [],
  check(examples, { name }) {
    const [first] = examples
    if ((first?.label === 0 || first?.label === 1) && examples.every(({ label }) => label === first.label))
      throw new UserError(
        `train: ${name} needs completions that are wanted and some that are not, got ${examples.length} that are all ${first.label === 1 ? 'wanted' : 'unwanted'}; give both`,
      )
  },
  treeOf: readToEnds,
  whereRead: ['reference', 'lengths', 'z0'],
  inputs: (size): Record<string, Value> => ({ ...labelled.inputs(size), ends: input('ends', [size.tokens]) }),
  given: (examples, size, asked, step) => ({
    ...labelled.given(examples, size, asked, step),
    ends: endsOf(examples, size.tokens),
  }),
  /** Wanted completions in the place of chosen, unwanted ones in that of rejected, each by the probability that it is one. */
  metrics(examples, slots) {
    const scores = slots.map(([score]) => score!)
    const wanted = examples.map(({ label }) => label)
    const unwanted = wanted.map((label) => 1 - label)
    const [chosen, rejected] = [average(scores, wanted), average(scores, unwanted)]
    return present({
      chosenReward: chosen,
      rejectedReward: rejected,
      rewardMargin: chosen === undefined || rejected === undefined ? undefined : chosen - rejected,
      accuracy: average(scores.map((score, i) => (score === 0 ? 0.5 : score > 0 ? wanted[i]! : unwanted[i]!))),
    })
  },
  toJSON: () => 'scoredLabels',
}

/**
 * A reward model of single labelled completions: −log σ(r) of a wanted one and −log σ(−r) of an unwanted one, with r the score of a head at its end. A
 * label between 0 and 1 is the share of the votes for it. Unlike with pairs the score itself is learned, and 0 is where both are as likely.
 *
 * shape   scores, labels f32[examples] → f32[examples]; the trainer takes the mean
 * units   scores in log-odds that the completion is wanted
 * source  Jung et al. 2024, arXiv:2404.04656, section 3: a reward is the logit of a binary classifier
 */
export const rewardUnpaired = labelledLoss({
  name: 'rewardUnpaired',
  about: 'A head scores completions; a score is the log-odds that the completion is a wanted one.',
  formula: '−log σ(±r)',
  needs: ['policy'],
  params: {
    bootstrap: { about: 'rows: training rows are drawn with replacement, by train.seed', default: 'none', choices: ['none', 'rows'] },
    posterior: {
      about: 'of what the doubt is kept: the whole network, or its head alone',
      default: 'network',
      choices: ['network', 'head'],
    },
  },
  source: 'Jung et al. 2024, arXiv:2404.04656, section 3',
  kind: scoredLabels,

  perExample: ({ logp, label }) =>
    logSigmoid(logp)
      .mul(label)
      .add(logSigmoid(logp.neg()).mul(label.neg().add(1)))
      .neg(),

  // A score is the margin over a completion whose score is 0, so V-BT-1 is of a wanted one of 0.9; of an unwanted one it is 0.9 more.
  known: [
    { id: 'V-BT-1', at: points.scored.alone, label: 1, z0: 0, loss: 0.3411538747, slope: -0.2890504974 },
    { id: 'V-BT-1', at: points.scored.alone, label: 0, z0: 0, loss: 1.2411538747, slope: 0.7109495026 },
  ],
})
