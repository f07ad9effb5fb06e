import { input, sum, UserError, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import type { Described, Example, Kind, Maker, Objective } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import { column, type RewardedSide, sideInputs, sideOf, sideTensors } from './side.ts'
import { klTerms, lossTerms, slotEntropy } from './terms.ts'

/** Everything about a loss of groups of completions with rewards in one object. */
export interface RewardDefinition<P extends Params = Params> extends Described<P> {
  /** The loss of each completion. shape f32[completions] */
  readonly perCompletion: (completion: RewardedSide, params: Settings<P>) => Value
  /** The loss of one completion when policy = reference. */
  readonly atReference: (params: Settings<P>, completion: Rewarded) => number
  readonly known: readonly KnownGroup<P>[]
}

/** A completion in numbers: its log-probability, its reward, and the mean reward of the others of its group. */
export interface Rewarded {
  readonly logp: number
  readonly reward: number
  readonly others: number
}

/** Losses of one group that one can check by hand; slopes are d loss / d log π. */
export interface KnownGroup<P extends Params = Params> {
  readonly id: string
  readonly rewards: readonly number[]
  readonly logps: readonly number[]
  readonly params?: Partial<Settings<P>>
  readonly losses: readonly number[]
  readonly slopes: readonly number[]
}

/** A loss of groups with its parameters settled. */
export interface RewardObjective extends Objective {
  /** The loss of each completion. shape f32[completions] */
  perCompletion(completion: RewardedSide): Value
}

/** Completions of one prompt in a group, each with a number; a step's mean is over completions. */
export const rewards: Kind = {
  name: 'rewards',
  reads: [],
  perToken: false,
  fewest: 1,
  check: checkRewards,
  weight: ({ tree }) => tree.completions.length,
  inputs: ({ slots }) => ({ ...sideInputs(slots), rewards: input('rewards', [slots]), others: input('others', [slots]) }),
  given: (examples) => ({
    ...sideTensors(examples),
    rewards: column(examples.flatMap(({ rewards = [] }) => rewards)),
    others: column(examples.flatMap(({ rewards = [] }) => meansOfOthers(rewards))),
  }),
  metrics(examples, logps) {
    const ratios = examples.flatMap(({ reference }, i) => logps[i]!.map((logp, k) => logp - reference[k]!))
    return present({
      reward: average(examples.flatMap(({ rewards = [] }) => rewards)),
      // Groups whose rewards are all alike say nothing.
      flatGroups: average(examples.map(({ rewards = [] }) => (rewards.every((reward) => reward === rewards[0]) ? 1 : 0))),
      kl: average(ratios.map((r) => (r * r) / 2)),
      completionTokens: average(examples.flatMap(({ tree }) => tree.completions.map(({ length }) => length))),
    })
  },
  toJSON: () => 'rewards',
}

/**
 * Makes sure that every group has completions to be held against each other.
 *
 * throws  UserError for a group of one, and for rewards that are not finite or not one for each completion
 */
export function checkRewards(examples: readonly Example[], { name }: Objective): void {
  for (const { tree, rewards } of examples) {
    const count = tree.completions.length
    if (count < 2 || rewards?.length !== count || !rewards.every(Number.isFinite))
      throw new UserError(
        `train: ${name} needs groups of at least 2 completions with a finite reward each, got ${count} completions and ${rewards ? `rewards ${rewards.join(', ')}` : 'no rewards'}; sample more of each prompt`,
      )
  }
}

/** Of each number of a group, the mean of the others. */
export function meansOfOthers(group: readonly number[]): number[] {
  const total = group.reduce((sum, reward) => sum + reward, 0)
  return group.map((reward) => (total - reward) / (group.length - 1))
}

/** Defines a loss of groups of completions with rewards, as preferenceLoss does for pairs. */
export function rewardLoss<const P extends Params>(definition: RewardDefinition<P>): Maker<P, RewardObjective, RewardDefinition<P>> {
  const { name, needs, perCompletion, atReference } = definition
  const make = (given: Partial<Settings<P>> = {}): RewardObjective => {
    const params = settle(name, definition.params, given)
    const start = ({ reference, rewards = [] }: Example) => {
      const others = meansOfOthers(rewards)
      return rewards.map((reward, i) => atReference(params, { logp: reference[i]!, reward, others: others[i]! }))
    }
    return {
      kind: rewards,
      name,
      params,
      needs,
      perCompletion: (completion) => perCompletion(completion, params),
      terms(scored) {
        const { rewards, others } = scored.inputs as { rewards: Value; others: Value }
        const completion = sideOf(scored, { reward: rewards, others })
        return lossTerms(
          name,
          scored.inside,
          {
            losses: () => perCompletion(completion, params),
            objective: ({ losses }) => sum(losses).mul(scored.unit),
            rewarded: () => completion,
            ...klTerms(
              () => completion.logRatio,
              (x) => sum(x).mul(scored.unit),
            ),
            entropy: () => sum(slotEntropy(scored)).mul(scored.unit),
          },
          'groups have `rewarded`',
        )
      },
      atStart: (examples) => average(examples.flatMap(start)),
    }
  }
  return Object.assign(make, { definition })
}
