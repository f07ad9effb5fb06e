import { seedFor } from '../random/index.ts'
import { rewardJudge } from '../rewards/index.ts'
import { type Evaluation, evaluationSchema, type Run, roundFolder } from '../runs/index.ts'
import { auditsAtLook } from './audit-training.ts'
import { look } from './look.ts'
import { heeding, readBy } from './open-models.ts'
import { goalScaleOf, type Rewarded, referenceSide, rewardOf, scoredBy } from './open-rewarded.ts'
import { freshRollout, rolloutExamples, rolloutRows } from './supply-rollouts.ts'
import { trainingParts } from './train-into.ts'
import { begin } from './watch.ts'

/**
 * Looks at a round's policy, on the development prompts or once on the sealed ones, and keeps what was seen. The reward is the judge: the better of
 * two completions is the one that it gives more.
 */
export async function lookAtReward(rewarded: Rewarded, run: Run, round: number, which: Evaluation['look']): Promise<Evaluation> {
  const { recipe, preferences, models, watch, signal } = rewarded
  const { reward: source } = preferences
  const prompts = rewarded.prompts[which]
  const before = await referenceSide(rewarded, which)
  const goalScale = await goalScaleOf(rewarded)
  const reward = await rewardOf(rewarded, run)
  const bar = begin(watch, which === 'sealed' ? 'the sealed look' : `round ${round}: looking`, prompts.length * recipe.look.perPrompt)
  const folder = which === 'sealed' ? 'sealed' : roundFolder(round)
  const audits = await auditsAtLook(run, recipe, { round, folder }, async () => {
    const examples = await rolloutExamples(rewarded, await rolloutRows(rewarded, run, round, 1))
    return {
      training: { ...trainingParts(recipe, models, examples, 0), ...(signal ? { signal } : {}) },
      data: { kind: 'adaptive', draw: (seed) => freshRollout(rewarded, run, seed), eosIds: models.checkpoint.eosIds },
    }
  })
  let scoreOf: Awaited<ReturnType<typeof scoredBy>> | undefined
  const { evaluation, rows } = await look(
    {
      recipe,
      checkpoint: models.checkpoint,
      policy: models.lookPolicy,
      reference: models.reference,
      judge: 'learn' in source ? source.learn.judge : rewardJudge(reward.name, (sample) => scoreOf!(sample).value),
      scoredOf: (sample) => scoreOf!(sample),
      earlier: await earlierLooks(run, round),
      async score(after) {
        scoreOf = await scoredBy(rewarded, run, [...before, ...after])
      },
      order: 'half',
      asking: { progress: (total) => begin(watch, 'judging', total), ...(signal ? { signal } : {}) },
      goalScale,
      gold: recipe.gold,
      readBy: readBy(models),
      ...{ before, prompts, audits },
      ...(rewarded.texts ? { texts: rewarded.texts } : {}),
      training: { metrics: (await run.readMetrics()).filter((row) => row.round === round) },
      ...preferences.sampling,
      onCompletion() {
        signal?.throwIfAborted()
        bar.advance()
      },
      onBatch: heeding(models),
      seed: seedFor(recipe.seed, `after/${which}/${round}`),
    },
    { round, look: which },
  )
  bar.done()
  await run.writeRows(`${folder}/samples.jsonl`, rows)
  await run.write(`${folder}/evaluation.json`, evaluation)
  watch.evaluation?.(evaluation)
  return evaluation
}

/** The looks at the rounds before one. */
function earlierLooks(run: Run, round: number): Promise<Evaluation[]> {
  return Promise.all(Array.from({ length: round - 1 }, (_, i) => run.read(`${roundFolder(i + 1)}/evaluation.json`, evaluationSchema)))
}
