import type { Asked, DataStream } from '../audits/index.ts'
import { answersFreely, askJudge } from '../collect/ask-judge.ts'
import type { Judge } from '../goals/index.ts'
import type { Example } from '../objectives/index.ts'
import { seedFor } from '../random/index.ts'
import type { Run } from '../runs/index.ts'
import type { Training } from '../train/index.ts'
import { collectPairs } from './collect-pairs.ts'
import { inFolder } from './in-folder.ts'
import { labelRounds } from './label-rounds.ts'
import { type Rounds, readGoals, scaleOfRounds } from './rounds.ts'
import { trainingParts } from './train-into.ts'

/** A round's training from where the policy now is, with all pairs so far, and the stream that they come from. */
export async function trainingOfRound(rounds: Rounds, round: number): Promise<{ training: Training; data: DataStream }> {
  const { recipe, models, signal } = rounds
  const { examples } = await labelRounds(rounds)
  return { training: { ...trainingParts(recipe, models, examples.flat(), round), ...(signal ? { signal } : {}) }, data: streamOf(rounds) }
}

/** Pairs collected as a first rollout's are, from the policy as it is whenever it is asked; known once a first rollout was collected. */
export function streamOf(rounds: Rounds): DataStream {
  const { recipe, models } = rounds
  const now = { ...models, startsAsReference: false }
  const { judge } = scaleOfRounds(rounds)
  const draw = (seed: number): Promise<readonly Example[]> => {
    // The scale of the goals stays that of the first rollout, and nobody need look on.
    const anew: Rounds = { ...rounds, recipe: { ...recipe, seed: seedFor(seed, 'draw') }, models: now, voted: [], watch: {} }
    return inFolder(recipe, now, (run) => firstRollout(anew, run))
  }
  return {
    ...{ kind: 'adaptive', draw, reference: models.referencePolicy, eosIds: models.checkpoint.eosIds },
    ...(!answersFreely(judge) ? {} : { prefer: (pairs, seed) => votesFor(rounds, judge, pairs, seed) }),
  }
}

/** The share of the judge's votes for the first completion of each pair. */
async function votesFor(rounds: Rounds, judge: Judge, pairs: readonly Asked[], seed: number): Promise<number[]> {
  const { tokenizer, eosIds } = rounds.models.checkpoint
  const side = (ids: readonly number[]) => ({ ids: [...ids], ended: eosIds.includes(ids.at(-1)!) })
  const rows = pairs.map(({ prompt, a, b }) => ({ prompt: tokenizer.decode(prompt), promptIds: [...prompt], a: side(a), b: side(b) }))
  await readGoals(rounds, rows)
  const asked = rows.map((row) => ({ a: rounds.decodeSide(row, 'a'), b: rounds.decodeSide(row, 'b') }))
  const answers = await askJudge(judge, asked, { seed, order: rounds.preferences.order })
  return answers.map(({ votes: [first, second] }) => first / (first + second))
}

/** The first rollout's pairs, voted on and labelled. */
export async function firstRollout(rounds: Rounds, run: Run): Promise<readonly Example[]> {
  await collectPairs(rounds, run, 1, 1)
  return (await labelRounds(rounds)).examples.flat()
}
