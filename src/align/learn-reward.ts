import { calibrationOf, meanOf } from '../accept/index.ts'
import { askJudge } from '../collect/ask-judge.ts'
import { pairUp, promptsOf, rowPrompt, type VotedRow, votedSchema } from '../collect/collect.ts'
import { priorScale } from '../collect/goal-scale.ts'
import { sampleOf, sampleTexts } from '../collect/sample-texts.ts'
import { readSamples, type Sample, scores } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { splitByPrompt } from '../preferences/index.ts'
import { seedFor } from '../random/index.ts'
import type { LearnedReward } from '../recipe/learned-reward.ts'
import { type FrozenHead, frozenReward, joined, learnHead, rowSample, saidFeatures } from '../rewards/index.ts'
import { type Run, roundFolder } from '../runs/index.ts'
import { heeding, readBy } from './open-models.ts'
import { goalScaleOf, type Rewarded } from './open-rewarded.ts'
import { begin } from './watch.ts'

/**
 * The reward of a round: a head on the frozen original, learned from the judge's votes on what the policy said before this round and the rounds
 * before it. Votes on some prompts are held out, and the head trains nothing unless it ranks those better than `least` with its whole interval.
 *
 * throws  UserError where it does not
 */
export async function learnReward(rewarded: Rewarded, run: Run, round: number, { learn }: LearnedReward): Promise<void> {
  if (rewarded.learned === round) return
  const rows: VotedRow[] = []
  for (let of = 1; of <= round; of++) rows.push(...(await votesBefore(rewarded, run, of, learn)))
  const { models, recipe, signal, watch } = rewarded
  const sides = rows.flatMap(({ promptIds, a, b }) => [a, b].map(({ ids }) => ({ promptIds, completionIds: ids })))
  const ofTap = await saidFeatures(models.referencePolicy, sides, learn.tap, signal)
  await models.referencePolicy.rest()
  const believed = learn.prior ? await believedGoals(rewarded) : undefined
  const sideOf = (row: VotedRow, side: 'a' | 'b') => sampleOf(models.checkpoint.tokenizer, rowPrompt(row), row[side])
  const ofGoals = await believed?.measure(rows.flatMap((row) => [sideOf(row, 'a'), sideOf(row, 'b')]))
  const features = ofGoals ? ofTap.map((x, i) => joined(x, ofGoals[i]!)) : ofTap
  const compared = rows.map(({ prompt, votes: [a, b] }, i) => ({
    ...{ prompt, votes: [a, b] as const, a: features[2 * i]!, b: features[2 * i + 1]! },
    share: a + b === 0 ? 0.5 : a / (a + b),
  }))
  const parts = splitByPrompt(compared, ({ prompt }) => prompt, { train: 1 - learn.heldOut, heldOut: learn.heldOut }, recipe.seed)
  if (parts.train.length === 0)
    throw new UserError(
      `reward.learn: must have votes to learn from, got ${rows.length} on held-out prompts alone; raise prompts, or lower heldOut`,
    )
  const head = learnHead(parts.train, believed?.belief)
  const heldOut = measured(head, parts.heldOut)
  const { effective, prior } = head
  const goals = believed && Object.fromEntries(believed.names.map((name, k) => [name, head.believed[k]]))
  await run.write(`${roundFolder(round)}/reward.json`, {
    pairs: parts.train.length,
    effective,
    prior,
    ...(goals ? { goals } : {}),
    heldOut,
  })
  const { accuracy, ece } = heldOut
  const said = `${share(accuracy)} of ${heldOut.pairs} held-out votes ranked right, calibration error ${share(ece)}`
  watch.note?.(`round ${round}: the reward is learned from ${parts.train.length} pairs: ${said}`)
  if (!(accuracy.low > learn.least))
    throw new UserError(
      `reward.learn: the reward must rank more than ${learn.least} of the held-out votes as they were cast before it may train anything, with its whole interval, got ${share(accuracy)} of ${heldOut.pairs} pairs; raise reward.learn.prompts, or look whether the judge tells completions apart`,
    )
  await rewarded.reward?.close()
  rewarded.reward = frozenReward(`learned from ${learn.judge.name}`, models.referencePolicy, head, {
    ...{ tap: learn.tap, penalty: learn.penalty },
    ...(believed ? { more: (rows) => believed.measure(rows.map((row) => rowSample(row, readBy(models)))) } : {}),
  })
  rewarded.learned = round
}

/** The prior's goals as features, in standard deviations over the reference's completions of the development prompts, and what the prior believes of their weights. */
async function believedGoals(rewarded: Rewarded) {
  const { recipe, models } = rewarded
  const { goals, law } = recipe.prior!
  const scale = priorScale((await goalScaleOf(rewarded))!, { goals })
  return {
    names: goals.map(({ name }) => name),
    belief: { mean: law.location, covariance: law.covariance },
    async measure(samples: readonly Sample[]): Promise<number[][]> {
      await readSamples(goals, samples, readBy(models), heeding(models))
      return samples.map((sample) => scores(scale, sample))
    },
  }
}

/** The judge's votes on what the policy says before a round; kept ones, where it was asked before. */
async function votesBefore(rewarded: Rewarded, run: Run, round: number, learn: LearnedReward['learn']): Promise<readonly VotedRow[]> {
  const file = `${roundFolder(round)}/votes.jsonl`
  if (run.has(file)) return run.readRows(file, votedSchema)
  const { recipe, preferences, models, prompts, watch, signal } = rewarded
  const { checkpoint, trainee } = models
  const asked = promptsOf(round, prompts.train, { promptsPerRound: learn.prompts })[0]!
  const bar = begin(watch, `round ${round}: sampling for votes`, asked.length * learn.perPrompt)
  const groups = await sampleTexts(trainee.policy, checkpoint, asked, {
    ...preferences.sampling,
    perPrompt: learn.perPrompt,
    seed: seedFor(recipe.seed, `votes/sample/${round}`),
    onCompletion() {
      signal?.throwIfAborted()
      bar.advance()
    },
  })
  bar.done()
  const rows = pairUp(groups, 'all')
  const sideOf = (row: (typeof rows)[number], side: 'a' | 'b') => sampleOf(checkpoint.tokenizer, rowPrompt(row), row[side])
  const pairs = rows.map((row) => ({ a: sideOf(row, 'a'), b: sideOf(row, 'b') }))
  const answers = await askJudge(learn.judge, pairs, {
    seed: seedFor(recipe.seed, `votes/${round}`),
    order: 'half',
    progress: (total) => begin(watch, `round ${round}: judging`, total),
    ...(signal ? { signal } : {}),
  })
  const found = rows.map((row, i): VotedRow => ({ ...row, ...answers[i]!, rollout: 1 }))
  await run.writeRows(file, found)
  return found
}

interface HeldOutVotes {
  readonly prompt: string
  readonly votes: readonly [number, number]
  readonly a: Float64Array
  readonly b: Float64Array
  readonly share: number
}

/** How often the head ranks pairs as most votes on them were cast, and how far its probabilities are from the share of votes. */
function measured(head: FrozenHead, votes: readonly HeldOutVotes[]) {
  const decided = votes.filter(({ share }) => share !== 0.5)
  const prompts = [...new Set(decided.map(({ prompt }) => prompt))]
  if (prompts.length < 2)
    throw new UserError(
      `reward.learn: held-out votes must be on at least 2 prompts, got ${prompts.length}; raise reward.learn.prompts or heldOut`,
    )
  const chanceOf = ({ a, b, share }: HeldOutVotes) => (share > 0.5 ? head.chance(a, b) : head.chance(b, a))
  const byPrompt = prompts.map((prompt) => decided.filter((vote) => vote.prompt === prompt).map(chanceOf))
  // A probability is that of one vote, of which a pair may have several.
  const each = votes.flatMap(({ prompt, votes: [forA, forB], a, b }) => {
    const chance = head.chance(a, b)
    const group = prompts.indexOf(prompt)
    const times = (count: number, p: number) => Array.from({ length: Math.round(count) }, () => ({ group, chance: p }))
    return [...times(forA, chance), ...times(forB, 1 - chance)]
  })
  const { ece, eceIfCalibrated } = calibrationOf(each)
  const accuracy = meanOf('accuracy', byPrompt.map((chances) => chances.map((p) => (Math.sign(p - 0.5) + 1) / 2)), 'share', [0, 1]) // biome-ignore format: one line
  return { pairs: decided.length, accuracy, ece, eceIfCalibrated }
}

function share({ estimate, low, high }: { readonly estimate: number; readonly low: number; readonly high: number }): string {
  return `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`
}
