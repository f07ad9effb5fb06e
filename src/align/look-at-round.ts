import { askJudge } from '../collect/ask-judge.ts'
import { sampleTexts } from '../collect/sample-texts.ts'
import { readSamples, type Votes } from '../goals/index.ts'
import { seedFor } from '../random/index.ts'
import { pairsMeasured, referencePerPrompt } from '../recipe/held-out-pairs.ts'
import { type ContributionRow, type Evaluation, type Run, roundFolder } from '../runs/index.ts'
import { auditsAtLook } from './audit-training.ts'
import { look } from './look.ts'
import { goalsOf, heeding, readBy } from './open-models.ts'
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
  const byReference = referencePerPrompt(recipe)
  const bar = begin(
    watch,
    which === 'sealed' ? 'the sealed look' : `round ${round}: looking`,
    prompts.length * (perPrompt + (referenceTexts[which] ? 0 : byReference)),
  )
  const limits = { ...(maxTokens ? { maxTokens } : {}), onCompletion: () => countCompletion(rounds, bar) }
  referenceTexts[which] ??= await sampleTexts(referencePolicy, checkpoint, prompts, {
    ...limits,
    perPrompt: byReference,
    seed: seedFor(recipe.seed, `before/${which}`),
  })
  await readGoals(rounds, rounds.voted[0] ?? [])
  const { goalScale, judge } = scaleOfRounds(rounds)
  if (pairsMeasured(recipe)) rounds.referenceVotes[which] ??= await votesOnReference(rounds, which)
  const pairs = rounds.referenceVotes[which]
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
      ...(pairs ? { pairs } : {}),
      ...(seen ? { shutdown: seen } : {}),
      audits,
      training: {
        metrics: (await run.readMetrics()).filter((row) => row.round === round),
        ...(contribution ? { contribution } : {}),
      },
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

/** The judge's votes on the reference's first two completions of each prompt. */
async function votesOnReference(rounds: Rounds, which: Evaluation['look']): Promise<Votes[]> {
  const texts = rounds.referenceTexts[which]!
  const { judge } = scaleOfRounds(rounds)
  const said = texts.flatMap((group) => group.map(({ sample }) => sample))
  await readSamples(goalsOf(rounds.recipe), said, readBy(rounds.models), heeding(rounds.models))
  const answers = await askJudge(
    judge,
    texts.map(([a, b]) => ({ a: a!.sample, b: b!.sample })),
    { seed: seedFor(rounds.recipe.seed, `pairs/${which}`), order: rounds.preferences.order, ...asking(rounds, 'held-out pairs: judging') },
  )
  return answers.map(({ votes }) => votes)
}
