import { extremes } from '../collect/extremes.ts'
import { priorScale } from '../collect/goal-scale.ts'
import { labelPairs, type Prediction } from '../collect/label.ts'
import type { Example } from '../objectives/index.ts'
import type { ContributionRow } from '../runs/index.ts'
import { priorParts, withReference } from './examples.ts'
import { type Rounds, readGoals, scaleOfRounds } from './rounds.ts'

/** All pairs so far, ready to be trained on. */
export interface LabelledRounds {
  /** By the newest round's rollouts, in the order they are trained on; what earlier rounds collected comes with its first. */
  readonly examples: readonly (readonly Example[])[]
  readonly contribution?: ContributionRow
  /** With a prior: what the posterior says of each pair, in the order of the rounds' pairs, a before b. */
  readonly predictions?: readonly Prediction[]
}

/** Gives every pair so far its soft label, from its own votes and from what prior and all votes together predict. */
export async function labelRounds(rounds: Rounds): Promise<LabelledRounds> {
  const { recipe, preferences, models, voted, decodeSide, watch } = rounds
  const { prior, kappa } = recipe
  await readGoals(rounds, voted.flat())
  const { goalScale } = scaleOfRounds(rounds)
  const { contribution, ...labels } = labelPairs(
    voted.flat().map((row) => ({ a: decodeSide(row, 'a'), b: decodeSide(row, 'b'), votes: row.votes })),
    kappa,
    prior && goalScale && { prior, scale: priorScale(goalScale, prior) },
    preferences.sdPenalty,
  )
  // The likelier side is called chosen, so that log-ratios read as one expects.
  const byRound = voted.map((rows, round) => {
    const earlier = voted.slice(0, round).reduce((sum, { length }) => sum + length, 0)
    return rows.map(({ promptIds, a, b, rollout }, i) => {
      const p = labels.soft[earlier + i]!
      const ordered = <T>([first, second]: readonly [T, T]): [T, T] => (p >= 0.5 ? [first, second] : [second, first])
      const [said, standings] = [labels.prior?.[earlier + i], labels.standings?.[earlier + i]]
      return {
        tree: { prompt: promptIds, completions: ordered([a.ids, b.ids]) },
        label: Math.max(p, 1 - p),
        rollout: round + 1 === voted.length ? rollout : 1,
        ...(said ? priorParts(recipe, ordered(said)) : {}),
        ...(standings ? { standings: ordered(standings) } : {}),
      }
    })
  })
  const labelled = byRound.flatMap((all) => (preferences.trainOn === 'extremes' ? extremes(all) : all))
  const whole = await withReference(labelled, models, watch, recipe.objective)
  const count = Math.max(...labelled.map(({ rollout }) => rollout))
  const examples = Array.from({ length: count }, (_, k) => whole.filter((_, i) => labelled[i]!.rollout === k + 1))
  return { examples, ...(contribution ? { contribution } : {}), ...(labels.predictions ? { predictions: labels.predictions } : {}) }
}
