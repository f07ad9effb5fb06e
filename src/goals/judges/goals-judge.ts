import { features, type GoalScale } from '../goal-scale.ts'
import { sigmoid } from '../likelihood.ts'
import type { Judge } from './judge.ts'

/**
 * Goals as the judge: each pair gets one vote, split as p : 1−p with p = σ(w·x), so nothing is drawn and nothing is lost to chance.
 *
 * The weights are a prior's or a posterior's mean, or what someone states; signs included.
 *
 * units   weights in log-odds per standard deviation
 */
export function goalsJudge(scale: GoalScale, weights: readonly number[]): Judge {
  const terms = scale.goals.map(({ name }, k) => `${weights[k]!.toFixed(2)} ${name}`)
  const lexicon = scale.goals.flatMap(({ words }) => [...(words ?? [])])
  return {
    name: 'goals',
    kind: 'goals',
    about: `the goals themselves: ${terms.join(' + ')}`,
    votes: async (pairs) =>
      pairs.map(({ a, b }) => {
        const p = sigmoid(features(scale, a, b).reduce((sum, x, k) => sum + x * weights[k]!, 0))
        return [p, 1 - p]
      }),
    ...(lexicon.length > 0 && { words: new Set(lexicon) }),
  }
}
