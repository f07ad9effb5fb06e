import { onDisk } from '../files/index.ts'
import { type Example, type PpoSettings, ppoTargets, type RolloutObjective } from '../objectives/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { FromReward } from '../recipe/rewarded.ts'
import { type Metrics, type Parts, type Run, roundFolder } from '../runs/index.ts'
import { checkWarmup, stepsToCome } from '../train/index.ts'
import { openCritic } from './critic.ts'
import { estimate, rewardedWork } from './estimate.ts'
import { learnReward } from './learn-reward.ts'
import { lookAtReward } from './look-at-reward.ts'
import type { Loop } from './loop.ts'
import type { Models } from './open-models.ts'
import { openRewardedParts, type Rewarded } from './open-rewarded.ts'
import { type RolloutRow, rolloutExamples, rolloutRows } from './supply-rollouts.ts'
import { throughputOf } from './throughput.ts'
import { orderOf, trainInto } from './train-into.ts'
import type { Stopping, Watch } from './watch.ts'

/**
 * How far the sampler's log-probabilities may lie from the trainer's, nats per token. Both are the same sums in f32 in another order: 1e-6 and less
 * on stories15m. A policy gradient of another policy than the one that sampled would be off by more.
 */
const mostGap = 1e-4

/** Rounds on the policy's own completions and their rewards: one training, which a round goes on with where the one before ended. */
export async function openRewarded(
  recipe: Recipe,
  preferences: FromReward,
  models: Models,
  watch: Watch,
  stopping: Stopping = {},
): Promise<Loop> {
  const rewarded = await openRewardedParts(recipe, preferences, models, watch, stopping)
  const { prompts, counts, signal } = rewarded
  const { trainee } = models
  const all = Array.from({ length: recipe.rounds }, () => counts).flat()
  checkWarmup(recipe.train.schedule, stepsToCome(all, { objective: recipe.objective, ...orderOf(recipe, 0) }))
  let now = 0
  const restore = async (run: Run, round: number) => {
    if (round === now || round === 0) return
    await trainee.load(await run.path(`${roundFolder(round)}/model`))
    now = round
  }
  const { reward: source } = preferences
  const learned = async (run: Run, round: number) => {
    if ('learn' in source) await learnReward(rewarded, run, round, source)
  }
  return {
    data: rewarded.data,
    inside: prompts.development.map(({ ids }) => ids),
    async needs() {
      const speed = await throughputOf(models.engine)
      const { config } = models.checkpoint
      const { group = 2 } = recipe.objective as RolloutObjective
      const { round, all } = rewardedWork(recipe, { ...preferences, group, asked: counts.reduce((a, b) => a + b) }, prompts, config)
      const needed = (work: typeof round) => estimate(config, recipe.train, work, speed)
      return { round: needed(round), all: needed(all), rounds: recipe.rounds }
    },
    async keepParts(run) {
      const [train, development, sealed] = [prompts.train, prompts.development, prompts.sealed].map((part) => part.map(({ text }) => text))
      await run.write('parts.json', { train: train!, development: development!, sealed: sealed! } satisfies Parts)
    },
    restore,
    async train(run, round) {
      await restore(run, round - 1)
      await learned(run, round)
      await trainRewarded(rewarded, run, round)
      signal?.throwIfAborted()
      now = round
      const place = await run.path(`${roundFolder(round)}/model`)
      await onDisk(place, 4 * trainee.trained, () => trainee.save(place))
      return undefined
    },
    async look(run, round, which) {
      await learned(run, round)
      await restore(run, round)
      return lookAtReward(rewarded, run, round, which)
    },
    async close() {
      await rewarded.reward?.close()
      if ('learn' in source) await source.learn.judge.close?.()
    },
  }
}

/** Trains a round: each rollout is sampled by the policy as the steps on the one before made it. */
async function trainRewarded(rewarded: Rewarded, run: Run, round: number): Promise<void> {
  const { recipe, models, counts, watch, signal } = rewarded
  const perRound = counts.length
  const order = { objective: recipe.objective, ...orderOf(recipe, 0) }
  const steps = counts.map((count) => stepsToCome([count], order))
  const perRoundSteps = steps.reduce((a, b) => a + b)
  const firsts = new Set(steps.map((_, k) => steps.slice(0, k).reduce((a, b) => a + b, 1)))
  /** Whether a step is the first on its rollout. */
  const isFirst = (step: number) => firsts.has(((step - 1) % perRoundSteps) + 1)
  const rowsOf = async (at: number) => rolloutRows(rewarded, run, Math.floor(at / perRound) + 1, (at % perRound) + 1)
  let current: { readonly at: number; readonly rows: readonly RolloutRow[] } | undefined
  const draw = async (at: number) => {
    current = { at, rows: await rowsOf(at) }
    return valued(rewarded, at, await rolloutExamples(rewarded, current.rows), async (k) => rolloutExamples(rewarded, await rowsOf(k)))
  }
  await trainInto(run, recipe, models, [await draw(0)], {
    ...{ round, folder: 'checkpoint', watch, goesOn: true },
    draw: { counts: Array.from({ length: round * perRound - 1 }, (_, i) => counts[(i + 1) % perRound]!), group: (i) => draw(i + 1) },
    toCome: Array.from({ length: recipe.rounds - round }, () => counts).flat(),
    // After a step the policy is no longer the one that sampled: what was measured before the first step on the rollout is said.
    measure: async ({ step }) => ({ truncated: truncated(current!.rows), ...(isFirst(step) ? {} : { samplerGap: gapOf(current!.rows) }) }),
    onStep: checkGap,
    ...(signal ? { signal } : {}),
  })
}

/** With what the critic expects of each token, which is fitted to the rollouts before; a run that goes on reads those again. */
async function valued(
  rewarded: Rewarded,
  at: number,
  examples: Example[],
  earlier: (at: number) => Promise<readonly Example[]>,
): Promise<readonly Example[]> {
  const { objective } = rewarded.recipe
  if (!objective.needs.includes('values')) return examples
  const critic = (rewarded.critic ??= openCritic(rewarded.models.referencePolicy, rewarded.signal))
  const params = { ...(objective.params as unknown as PpoSettings), lambda: 1 }
  const returns = ({ rewards = [], tree, sampled, referenceTokens }: Example) => {
    const tokens = { lengths: tree.completions.map(({ length }) => length), ...(sampled ? { sampled } : {}) }
    return ppoTargets({ rewards, tokens: { ...tokens, ...(referenceTokens ? { reference: referenceTokens } : {}) } }, params).map((one) => one.returns) // biome-ignore format: one line
  }
  for (let k = 0; k < at; k++) if (critic.lacks(k, at)) await critic.learn(k, await earlier(k), returns)
  const values = await critic.values(at, examples)
  await critic.learn(at, examples, returns)
  return examples.map((example, i) => ({ ...example, values: values[i]! }))
}

function truncated(rows: readonly RolloutRow[]): number {
  return rows.filter(({ ended }) => !ended).length / rows.length
}

function gapOf(rows: readonly RolloutRow[]): number {
  return rows.reduce((sum, { gap = 0 }) => sum + gap, 0) / rows.length
}

/** The sampler is the policy that is trained. */
function checkGap({ step, samplerGap = 0 }: Metrics): void {
  if (samplerGap <= mostGap) return
  throw new Error(
    `internal: step ${step}: the sampler's log-probabilities must be the trainer's within ${mostGap} nats a token, got ${samplerGap.toPrecision(3)} on average`,
  )
}
