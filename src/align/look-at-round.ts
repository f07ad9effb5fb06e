import { sampleTexts } from '../collect/sample-texts.ts'
import { seedFor } from '../random/index.ts'
import { type ContributionRow, type Evaluation, type Run, roundFolder } from '../runs/index.ts'
import { auditsAtLook } from './audit-training.ts'
import { look } from './look.ts'
import { heeding, readBy } from './open-models.ts'
import { asking, countCompletion, type Rounds, readGoals, restoreRound, scaleOfRounds } from './rounds.ts'
import { keepShutdown, measureShutdown } from './shutdown-measures.ts'
import { trainingOfRound } from './training-of-round.ts'
import { begin } from './watch.ts'

/** Looks at a round's policy, on the development prompts or once on the sealed ones, and keeps what was seen. */
export async function lookAtRound(
  rounds: Rounds,
  run: Run,
  round: number,
  which: Evaluation['look'],
  contribution?: ContributionRow,
): Promise<Evaluation> {
  await restoreRound(rounds, run, round)
  const { recipe, preferences, models, referenceTexts, watch } = rounds
  const { checkpoint, referencePolicy, reference, lookPolicy } = models
  const prompts = rounds.prompts[which]
  const { maxTokens } = preferences.sampling
  const { perPrompt } = recipe.look
  const sides = referenceTexts[which] ? 1 : 2
  const bar = begin(watch, which === 'sealed' ? 'the sealed look' : `round ${round}: looking`, prompts.length * perPrompt * sides)
  const limits = { ...(maxTokens ? { maxTokens } : {}), onCompletion: () => countCompletion(rounds, bar) }
  referenceTexts[which] ??= await sampleTexts(referencePolicy, checkpoint, prompts, {
    ...limits,
    perPrompt,
    seed: seedFor(recipe.seed, `before/${which}`),
  })
  await readGoals(rounds, rounds.voted[0] ?? [])
  const { goalScale, judge } = scaleOfRounds(rounds)
  const { shutdown } = rounds
  const seen = shutdown && (await measureShutdown(lookPolicy, shutdown.held, which, models))
  const folder = which === 'sealed' ? 'sealed' : roundFolder(round)
  const audits = await auditsAtLook(run, recipe, { round, folder }, () => trainingOfRound(rounds, round))
  const { evaluation, rows } = await look(
    {
      recipe,
      checkpoint,
      policy: lookPolicy,
      reference,
      judge,
      order: preferences.order,
      goalScale,
      gold: recipe.gold,
      readBy: readBy(models),
      before: referenceTexts[which],
      prompts,
      ...(rounds.texts ? { texts: rounds.texts } : {}),
      ...(seen ? { shutdown: seen.measures } : {}),
      audits,
      ...limits,
      onBatch: heeding(models),
      asking: asking(rounds, `${which === 'sealed' ? 'the sealed look' : `round ${round}`}: judging`),
      seed: seedFor(recipe.seed, `after/${which}/${round}`),
    },
    { round, look: which },
  )
  bar.done()
  const whole = { ...evaluation, ...(contribution ? { contribution } : {}) }
  await run.writeRows(`${folder}/samples.jsonl`, rows)
  if (shutdown && seen) await keepShutdown(run, whole, await shutdown.before(which), seen)
  await run.write(`${folder}/evaluation.json`, whole)
  watch.evaluation?.(whole)
  return whole
}
