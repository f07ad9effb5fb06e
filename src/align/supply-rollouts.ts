import { z } from 'zod'
import { promptsOf } from '../collect/collect.ts'
import type { Prompt } from '../collect/prompts.ts'
import { sampleOf } from '../collect/sample-texts.ts'
import { UserError } from '../graph/index.ts'
import type { Completion } from '../models/index.ts'
import type { Example, RolloutObjective } from '../objectives/index.ts'
import { sampleCompletions, scoreTokens } from '../policy/index.ts'
import { seedFor } from '../random/index.ts'
import { type Run, roundFolder } from '../runs/index.ts'
import { stepsToCome } from '../train/index.ts'
import { heeding } from './open-models.ts'
import { type Rewarded, rewardOf, rewardRow } from './open-rewarded.ts'
import { orderOf } from './train-into.ts'
import { during } from './watch.ts'

/** A completion as a round keeps it, so that it is neither sampled nor scored again, and that `train` can replay the round. */
const rolloutSchema = z.object({
  rollout: z.int(),
  prompt: z.string(),
  prompt_ids: z.array(z.int()),
  completion_ids: z.array(z.int()),
  ended: z.boolean(),
  reward: z.number(),
  sd: z.exactOptional(z.number()),
  /** What the sampler gave to each token, nats. */
  logps: z.array(z.number()),
  /** How far that is from what the trainer gives to them before any step on the rollout, nats per token; where a rollout has several steps. */
  gap: z.exactOptional(z.number()),
})
export type RolloutRow = z.infer<typeof rolloutSchema>

/** The file of a round's completions. */
export const rolloutsFile = (round: number) => `${roundFolder(round)}/rollouts.jsonl`

/** Fewer rewards that are all alike say nothing of the reward yet. */
const fewestAlike = 64

/** The rows of one rollout, counting from 1: kept ones, or the newest policy's, sampled and scored. */
export async function rolloutRows(rewarded: Rewarded, run: Run, round: number, rollout: number): Promise<readonly RolloutRow[]> {
  const file = rolloutsFile(round)
  const kept = run.has(file) ? await run.readRows(file, rolloutSchema) : []
  const mine = kept.filter((row) => row.rollout === rollout)
  if (mine.length > 0) return mine
  const prompts = promptsOf(round, rewarded.prompts.train, rewarded.preferences)[rollout - 1]!
  const rows = await sampled(rewarded, run, prompts, { round, rollout })
  checkAlike(rewarded, [...kept, ...rows], round)
  await run.writeRows(file, [...kept, ...rows])
  return rows
}

async function sampled(
  rewarded: Rewarded,
  run: Run,
  prompts: readonly Prompt[],
  { round, rollout, seed = rewarded.recipe.seed }: { readonly round: number; readonly rollout: number; readonly seed?: number },
): Promise<RolloutRow[]> {
  const { recipe, preferences, models, watch, signal, counts } = rewarded
  const { policy } = models.trainee
  const { tokenizer, eosIds } = models.checkpoint
  const { group = 2 } = recipe.objective as RolloutObjective
  const first = round === 1 && rollout === 1
  let shown = !first
  const byReference = (recipe.objective as RolloutObjective).byReference(group)
  const ids = prompts.map((prompt) => prompt.ids)
  const limits = { ...preferences.sampling, eosIds }
  const name = `sample/${round}/${rollout}`
  const sampling = watch.during?.('sampling')
  const completions = await sampleCompletions(policy, ids, {
    ...{ ...limits, perPrompt: group - byReference, seed: seedFor(seed, name) },
    onCompletion(prompt, _, completion: Completion) {
      signal?.throwIfAborted()
      if (shown) return
      shown = true
      watch.firstCompletion?.(prompts[prompt]!.text, sampleOf(tokenizer, prompts[prompt]!, completion).text)
    },
  })
  if (byReference > 0) {
    const theirs = await sampleCompletions(models.referencePolicy, ids, {
      ...{ ...limits, perPrompt: byReference, seed: seedFor(seed, `${name}/reference`) },
      onCompletion: () => signal?.throwIfAborted(),
    })
    for (const [i, all] of theirs.entries()) completions[i]!.push(...all)
  }
  sampling?.()
  const said = completions.flatMap((all, i) =>
    all.map((completion) => ({ prompt: prompts[i]!, completion, sample: sampleOf(tokenizer, prompts[i]!, completion) })),
  )
  const reward = await rewardOf(rewarded, run)
  const rows = said.map(({ prompt, completion, sample }) => rewardRow(prompt, completion.ids, sample.text))
  const scored = await during(watch, 'scoring', () => reward.score(rows, signal))
  const several = stepsToCome([counts[rollout - 1]!], { objective: recipe.objective, ...orderOf(recipe, 0) }) > 1
  const trees = completions.map((all, i) => ({ prompt: prompts[i]!.ids, completions: all.map(({ ids }) => ids) }))
  const now = several ? (await scoreTokens(policy, trees, heeding(models))).flat() : undefined
  return said.map(({ prompt, completion: { ids, logps, ended } }, i) => ({
    ...{ rollout, prompt: prompt.text, prompt_ids: [...prompt.ids], completion_ids: [...ids], ended },
    ...{ reward: scored[i]!.value, ...(scored[i]!.sd === undefined ? {} : { sd: scored[i]!.sd }), logps: [...logps] },
    ...(now && i % group < group - byReference
      ? { gap: logps.reduce((sum, logp, t) => sum + Math.abs(logp - now[i]![t]!), 0) / logps.length }
      : {}),
  }))
}

/** What a step trains on of a rollout's rows. */
export async function rolloutExamples(
  { recipe, models, watch = {} }: Pick<Rewarded, 'recipe' | 'models'> & Partial<Pick<Rewarded, 'watch'>>,
  rows: readonly RolloutRow[],
): Promise<Example[]> {
  const { group = 2, needs } = recipe.objective as RolloutObjective
  const groups = Array.from({ length: rows.length / group }, (_, i) => rows.slice(i * group, (i + 1) * group))
  const trees = groups.map((all) => ({ prompt: all[0]!.prompt_ids, completions: all.map(({ completion_ids }) => completion_ids) }))
  const tokens = await during(watch, 'reference log-probabilities', () => scoreTokens(models.referencePolicy, trees, heeding(models)))
  const total = (logps: readonly number[]) => logps.reduce((a, b) => a + b, 0)
  return groups.map((all, i) => ({
    ...{ tree: trees[i]!, label: 1, rewards: all.map(({ reward }) => reward), sampled: all.map(({ logps }) => logps) },
    ...{ reference: tokens[i]!.map(total), ...(needs.includes('referenceTokens') ? { referenceTokens: tokens[i]! } : {}) },
  }))
}

/** A rollout that is drawn for an audit and kept nowhere. */
export async function freshRollout(rewarded: Rewarded, run: Run, seed: number): Promise<Example[]> {
  const prompts = promptsOf(1, rewarded.prompts.train, rewarded.preferences)[0]!
  return rolloutExamples(rewarded, await sampled(rewarded, run, prompts, { round: 1, rollout: 1, seed }))
}

function checkAlike({ reward, counts, recipe }: Rewarded, rows: readonly RolloutRow[], round: number): void {
  const { group = 2 } = recipe.objective as RolloutObjective
  const whole = counts.reduce((a, b) => a + b, 0) * group
  if (round > 1 || rows.length < Math.min(fewestAlike, whole) || rows.some(({ reward }) => reward !== rows[0]!.reward)) return
  throw new UserError(
    `reward ${reward!.name}: must tell completions apart, got ${rows[0]!.reward} for each of the first ${rows.length}, which moves nothing; mend the reward, or sample longer`,
  )
}
