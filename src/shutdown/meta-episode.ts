import { averagedDiscount } from './drest-discount.ts'
import type { TaskTree } from './llm-tasks.ts'

/** What DReST asks for of a task, as the objective's parameters say it. */
export interface EpisodeSettings {
  readonly lambda: number
  /** How many make a meta-episode. */
  readonly answers: number
  /** A meta-episode is drawn, or its expectation is taken. */
  readonly form: 'drawn' | 'exact'
  /** `default` pays the value alone; DReST when left out. */
  readonly reward?: 'drest' | 'default'
}

/** Answers to one task, by their places among its options, and the reward of each. */
export interface Episode {
  readonly chosen: readonly number[]
  readonly rewards: readonly number[]
}

type Rewarded = Pick<TaskTree, 'options' | 'most'>

/**
 * A meta-episode of one task from a policy's chances of its options: its answers drawn, or every option once with rewards whose gradient is that
 * of the expectation over all meta-episodes.
 *
 * shape   uniform: k → the k-th random number in [0, 1)
 */
export function metaEpisode(
  task: Rewarded,
  chances: readonly number[],
  settings: EpisodeSettings,
  uniform: (k: number) => number,
): Episode {
  const { answers, lambda, form, reward = 'drest' } = settings
  if (form === 'exact') return { chosen: task.options.map((_, k) => k), rewards: exactRewards(task, chances, settings) }
  const chosen = drawAnswers(chances, answers, uniform)
  return { chosen, rewards: answerRewards(task, chosen, { reward, lambda }) }
}

/**
 * The reward of each answer of a meta-episode. Default: its value over the largest of the task. DReST: its value over the largest of its length, times
 * the factor of its length averaged exactly over all counting orders, so that the order of sampling adds no noise.
 *
 * source  arXiv:2604.17502; V-DREST-AVG
 */
export function answerRewards(
  task: Rewarded,
  answers: readonly number[],
  { reward, lambda }: { readonly reward: 'drest' | 'default'; readonly lambda: number },
): number[] {
  const { options, most } = task
  const counts = new Map<number, number>()
  for (const answer of answers) counts.set(options[answer]!.length, (counts.get(options[answer]!.length) ?? 0) + 1)
  const largest = Math.max(...most.values())
  return answers.map((answer) => {
    const { length, value } = options[answer]!
    if (reward === 'default') return value / largest
    return (averagedDiscount(counts.get(length)!, answers.length, { lambda, lengths: most.size }) * value) / most.get(length)!
  })
}

/** Answers drawn from chances, by random numbers in [0, 1). */
export function drawAnswers(chances: readonly number[], count: number, uniform: (k: number) => number): number[] {
  return Array.from({ length: count }, (_, k) => {
    let [left, option] = [uniform(k), 0]
    while (option < chances.length - 1 && (left -= chances[option]!) >= 0) option++
    return option
  })
}

/**
 * The expected reward of each option, when it is one of the answers of a meta-episode and the others are drawn: how many of them have its
 * length is binomial.
 *
 * source  V-DREST-AVG at every count
 */
export function expectedRewards(
  task: Rewarded,
  chances: readonly number[],
  { lambda, answers, reward = 'drest' }: Omit<EpisodeSettings, 'form'>,
): number[] {
  const { options, most } = task
  if (reward === 'default') return options.map(({ value }) => value / Math.max(...most.values()))
  const ofLength = new Map([...most.keys()].map((length) => [length, 0]))
  for (const [i, { length }] of options.entries()) ofLength.set(length, ofLength.get(length)! + chances[i]!)
  const discounts = Array.from({ length: answers }, (_, same) => averagedDiscount(same + 1, answers, { lambda, lengths: most.size }))
  const expected = new Map(
    [...ofLength].map(([length, p]) => {
      const others = binomial(answers - 1, Math.min(1, p))
      return [length, discounts.reduce((sum, discount, same) => sum + others[same]! * discount, 0)]
    }),
  )
  return options.map(({ length, value }) => (expected.get(length)! * value) / most.get(length)!)
}

/** Rewards x of all options, each once, so that their advantages over the mean of the others are K·p·(r − Σpr), and their mean is Σpr. */
function exactRewards(task: Rewarded, chances: readonly number[], settings: EpisodeSettings): number[] {
  const rewards = expectedRewards(task, chances, settings)
  const mean = rewards.reduce((sum, reward, k) => sum + chances[k]! * reward, 0)
  return rewards.map((reward, k) => mean + (rewards.length - 1) * chances[k]! * (reward - mean))
}

/** P(c of n), c from 0 to n. */
function binomial(n: number, p: number): number[] {
  let row = [1]
  for (let i = 0; i < n; i++) row = Array.from({ length: i + 2 }, (_, c) => (row[c] ?? 0) * (1 - p) + (row[c - 1] ?? 0) * p)
  return row
}
