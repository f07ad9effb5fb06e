import { input, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import { endsOf, readToEnds } from './ends.ts'
import type { Kind } from './objective.ts'
import { pairs } from './pairs.ts'
import { column } from './side.ts'

/**
 * Two completions of one prompt that the head of a reward model scores, each where it ends: `logp` of a side is its score. A pair's prompt is read
 * once; a score needs the position of the last token, so each completion is read to its end.
 */
export const scoredPairs: Kind = {
  ...pairs,
  name: 'scoredPairs',
  scores: true,
  alone: true,
  treeOf: readToEnds,
  whereRead: [...pairs.whereRead!, 'reference', 'lengths'],
  inputs: (size): Record<string, Value> => ({
    ...pairs.inputs(size),
    ends: input('ends', [size.tokens]),
    margins: input('margins', [size.examples]),
  }),
  given: (examples, size, asked, step) => ({
    ...pairs.given(examples, size, asked, step),
    ends: endsOf(examples, size.tokens),
    margins: column(examples.map(({ margin = 0 }) => margin)),
  }),
  metrics(examples, scores) {
    const better = examples.map(({ label }) => (Math.sign(label - 0.5) + 1) / 2)
    const of = (i: number, share: number) => scores[i]![0]! * share + scores[i]![1]! * (1 - share)
    const chosen = better.map((share, i) => of(i, share))
    const rejected = better.map((share, i) => of(i, 1 - share))
    const margins = chosen.map((score, i) => score - rejected[i]!)
    return present({
      chosenReward: average(chosen),
      rejectedReward: average(rejected),
      rewardMargin: average(margins),
      accuracy: average(margins.map((margin) => (Math.sign(margin) + 1) / 2)),
    })
  },
  toJSON: () => 'scoredPairs',
}
