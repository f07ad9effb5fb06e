import type { OnPolicy, Recipe } from '../recipe/recipe.ts'
import { roundFolder } from '../runs/index.ts'
import { collectPairs } from './collect-pairs.ts'
import { type LabelledRounds, labelRounds } from './label-rounds.ts'
import { lookAtRound } from './look-at-round.ts'
import type { Loop } from './loop.ts'
import type { Models } from './open-models.ts'
import { keepParts, needsOf, openRounds, restoreRound } from './rounds.ts'
import { trainRound } from './train-round.ts'
import type { Stopping, Watch } from './watch.ts'

/** Rounds on the policy's own completions and a judge's votes; each begins from the original model, with all pairs so far. */
export async function openJudged(
  recipe: Recipe,
  preferences: OnPolicy,
  models: Models,
  watch: Watch,
  stopping: Stopping = {},
): Promise<Loop> {
  const rounds = await openRounds(recipe, preferences, models, watch, stopping)
  return {
    data: rounds.data,
    inside: rounds.prompts.development.map(({ ids }) => ids),
    needs: () => needsOf(rounds),
    keepParts: (run) => keepParts(rounds, run),
    restore: (run, round) => restoreRound(rounds, run, round),
    async train(run, round) {
      let labels: LabelledRounds | undefined
      for (let rollout = 1; rollout <= rounds.rollouts.length; rollout++) {
        await collectPairs(rounds, run, round, rollout) // 1, 2: sample from the newest policy, and let the judge vote
        labels = await labelRounds(rounds) //              1: what prior and votes together make of every pair so far
        await trainRound(rounds, run, round, labels) //    3, 4: the loss, backwards, from the original model
      }
      if (labels?.predictions) await run.writeRows(`${roundFolder(round)}/predictions.jsonl`, labels.predictions)
      return labels?.contribution
    },
    look: (run, round, which, contribution) => lookAtRound(rounds, run, round, which, contribution),
  }
}
