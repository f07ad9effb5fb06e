import {
  abs,
  exp,
  input,
  maximum,
  minimum,
  reshape,
  step,
  stopGradient,
  sum,
  table,
  tensor,
  UserError,
  type Value,
} from '../graph/index.ts'
import { average, present } from './averages.ts'
import type { DefinedMark, Described, Example, Kind, Maker, Need, Objective, Scored } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import { checkRewards, meansOfOthers } from './rewards.ts'
import { column, once, type RewardedSide, sideInputs, sideOf, sideTensors } from './side.ts'
import { klTerms, lossTerms, tokenEntropy } from './terms.ts'

/** Everything about a policy-gradient loss of groups of sampled completions in one object. */
export interface RolloutDefinition<P extends Params = Params> extends Described<P> {
  /** How much better than expected each completion of a group is: numbers, which no gradient goes through. */
  readonly advantages: (group: RewardedGroup, params: Settings<P>) => number[]
  /** The loss of each completion, of which a step takes the mean; or what it adds, where the mean is over tokens. shape f32[completions] */
  readonly perCompletion: (completion: RolloutSide, params: Settings<P>) => Value
  /** What a step's mean is over. */
  readonly over: 'completions' | 'tokens'
  /** How much the loss no longer follows: 1 for each token (or completion) whose ratio is clipped, else 0. shape f32[completions, T] or [completions, 1] */
  readonly clipped: (completion: RolloutSide, params: Settings<P>) => Value
  /** What it reads, where that depends on the parameters. */
  readonly needsOf?: (params: Settings<P>) => readonly Need[]
  readonly marks?: readonly DefinedMark[]
  readonly known: readonly KnownRollout<P>[]
}

/** A group of completions of one prompt in numbers; log-probabilities in nats, summed over a completion's tokens. */
export interface RewardedGroup {
  readonly rewards: readonly number[]
  /** Under the model that sampled them, where that was kept. */
  readonly sampled?: readonly number[]
  readonly reference: readonly number[]
}

/** Losses of one group that one can check by hand, each token's log-probability given; slopes are d loss / d log π of the first token of each. */
export interface KnownRollout<P extends Params = Params> {
  readonly id: string
  readonly rewards: readonly number[]
  readonly logps: readonly (readonly number[])[]
  readonly sampled: readonly (readonly number[])[]
  readonly reference?: readonly (readonly number[])[]
  readonly params?: Partial<Settings<P>>
  readonly losses: readonly number[]
  readonly slopes?: readonly number[]
}

/** A batch of sampled completions. */
export interface RolloutSide extends RewardedSide {
  /** f32[completions] */
  readonly advantage: Value
  /** log π of each token less what the model that sampled it gave to it, 0 after the last; where that was not kept, 0 with the slope of log π. shape f32[completions, T], nats */
  readonly tokenRatio: Value
  /** log π of each token less the reference's, 0 after the last. shape f32[completions, T], nats */
  readonly referenceRatio: Value
  /** 1 where a completion has a token, else 0. shape f32[completions, T] */
  readonly there: Value
}

/** A policy-gradient loss with its parameters settled. */
export interface RolloutObjective extends Objective {
  /** The completions of a prompt that make a group, where the objective says how many. */
  readonly group?: number
  /** shape f32[completions] */
  perCompletion(completion: RolloutSide): Value
  advantages(group: RewardedGroup): number[]
}

/** Groups of completions with rewards, and what the model that sampled them gave to each token. */
function rolloutKind(weight: 'completions' | 'tokens', advantages: (group: RewardedGroup) => number[]): Kind {
  return {
    name: 'rollouts',
    reads: ['rollouts'],
    perToken: false,
    fewest: 1,
    check: checkGroups,
    weight: ({ tree }) => (weight === 'tokens' ? tokensIn(tree.completions) : tree.completions.length),
    whereRead: ['referenceTokens'],
    inputs: ({ slots, longest }) => ({
      ...sideInputs(slots),
      rewards: input('rewards', [slots]),
      others: input('others', [slots]),
      advantages: input('advantages', [slots]),
      kept: input('kept', [slots]),
      sampled: input('sampled', [slots, longest]),
      referenceTokens: input('referenceTokens', [slots, longest]),
    }),
    given: (examples, { slots, longest }) => ({
      ...sideTensors(examples),
      rewards: column(examples.flatMap(({ rewards = [] }) => rewards)),
      others: column(examples.flatMap(({ rewards = [] }) => meansOfOthers(rewards))),
      advantages: column(examples.flatMap((example) => advantages(groupOf(example)))),
      kept: column(examples.flatMap(({ tree, sampled }) => tree.completions.map(() => (sampled ? 1 : 0)))),
      sampled: byToken(examples, ({ sampled }) => sampled, slots, longest),
      referenceTokens: byToken(examples, ({ referenceTokens }) => referenceTokens, slots, longest),
    }),
    metrics(examples, logps) {
      const rewards = examples.flatMap(({ rewards = [] }) => rewards)
      const ratios = examples.flatMap(({ reference }, i) => logps[i]!.map((logp, k) => logp - reference[k]!))
      return present({
        reward: average(rewards),
        rewardSd: deviation(rewards),
        advantageSd: deviation(examples.flatMap((example) => advantages(groupOf(example)))),
        zeroVarianceGroups: average(examples.map(({ rewards = [] }) => (rewards.every((reward) => reward === rewards[0]) ? 1 : 0))),
        kl: average(ratios.map((r) => (r * r) / 2)),
        completionTokens: average(examples.flatMap(({ tree }) => tree.completions.map(({ length }) => length))),
      })
    },
    toJSON: () => 'rollouts',
  }
}

/** Defines a policy-gradient loss, as preferenceLoss does for pairs. */
export function rolloutLoss<const P extends Params>(definition: RolloutDefinition<P>): Maker<P, RolloutObjective, RolloutDefinition<P>> {
  const { name, needsOf, marks } = definition
  const make = (given: Partial<Settings<P>> = {}): RolloutObjective => {
    const params = settle(name, definition.params, given)
    const advantages = (group: RewardedGroup) => definition.advantages(group, params)
    const perCompletion = (completion: RolloutSide) => definition.perCompletion(completion, params)
    /** Sums over each completion's tokens as a mean over the step's tokens, or over its completions of theirs. */
    const averaged = (sums: Value, { length }: RolloutSide, { unit }: Scored) =>
      sum(definition.over === 'tokens' ? sums : sums.div(length)).mul(unit)
    return {
      kind: rolloutKind(definition.over, advantages),
      name,
      params,
      needs: [...(needsOf?.(params) ?? definition.needs), 'tokens'],
      marks: [{ as: 'stop', reason: 'the ratio is to the policy as it was when it sampled' }, ...(marks ?? [])],
      ...(typeof params.group === 'number' ? { group: params.group } : {}),
      perCompletion,
      advantages,
      terms(scored) {
        const completion = rolloutSide(scored)
        return lossTerms(
          name,
          scored.inside,
          {
            losses: () => perCompletion(completion),
            objective: ({ losses }) => sum(losses).mul(scored.unit),
            rewarded: () => completion,
            ...klTerms(
              () => completion.logRatio,
              (x) => sum(x).mul(scored.unit),
            ),
            entropy: () => averaged(scored.perSlot(tokenEntropy(scored)), completion, scored),
          },
          'rollouts have `rewarded`',
        )
      },
      logged(scored) {
        const completion = rolloutSide(scored)
        const mean = (x: Value) => averaged(overTokens(x, completion), completion, scored)
        return {
          clipShare: mean(definition.clipped(completion, params)),
          samplerGap: mean(abs(completion.tokenRatio)),
          entropy: averaged(scored.perSlot(tokenEntropy(scored)), completion, scored),
        }
      },
      atStart: () => undefined,
    }
  }
  return Object.assign(make, { definition })
}

function rolloutSide(scored: Scored): RolloutSide {
  const { inputs, bySlot, slots } = scored
  const { rewards, others, advantages, kept, sampled, referenceTokens, lengths } = inputs as Readonly<Record<string, Value>>
  const tokens = once(bySlot)
  const there = once(() => upTo(lengths!, tokens().shape[1]!))
  const ratio = once(() => {
    const mine = reshape(kept!, [slots, 1])
    const before = sampled!.mul(mine).add(stopGradient(tokens()).mul(mine.neg().add(1)))
    return tokens().sub(before)
  })
  return sideOf(scored, {
    reward: rewards!,
    others: others!,
    advantage: advantages!,
    get tokenRatio() {
      return ratio()
    },
    get referenceRatio() {
      return tokens().sub(referenceTokens!)
    },
    get there() {
      return there()
    },
  })
}

/** 1 for so many first places of each row, else 0. shape counts f32[n] → f32[n, width] */
function upTo(counts: Value, width: number): Value {
  const places = Float32Array.from({ length: width }, (_, at) => at + 0.5)
  return step(reshape(counts, [counts.shape[0]!, 1]).sub(table(tensor(places, [1, width]))))
}

/** min(ρ·A, clip(ρ)·A), the objective of proximal policy optimisation. source Schulman et al. 2017, arXiv:1707.06347, equation 7 */
export function clippedGain(ratio: Value, advantage: Value, low: number, high: number): Value {
  return minimum(ratio.mul(advantage), minimum(maximum(ratio, 1 - low), 1 + high).mul(advantage))
}

/** 1 where that has no slope by ρ: above with A > 0, or below with A < 0. */
export function outside(ratio: Value, advantage: Value, low: number, high: number): Value {
  const [better, worse] = [step(advantage), step(advantage.neg())]
  return step(ratio.sub(1 + high))
    .mul(better)
    .add(step(ratio.neg().add(1 - low)).mul(worse))
}

/** Each token's exp(log π_ref − log π) + log π − log π_ref − 1, an estimate of KL(policy ‖ reference): k3. shape f32[completions, T] */
export function tokenKl({ referenceRatio }: RolloutSide): Value {
  return exp(referenceRatio.neg()).add(referenceRatio).sub(1)
}

/** Sums a number of each token by completion, padding left out. shape f32[completions, T] → f32[completions] */
export function overTokens(x: Value, { there }: Pick<RolloutSide, 'there'>): Value {
  return reshape(sum(x.mul(there), [1]), [there.shape[0]!])
}

/** A number of each completion beside its tokens. shape f32[completions] → f32[completions, 1] */
export function beside(x: Value): Value {
  return reshape(x, [x.shape[0]!, 1])
}

/** Rewards less their group's mean. */
export function centred({ rewards }: Pick<RewardedGroup, 'rewards'>): number[] {
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length
  return rewards.map((reward) => reward - mean)
}

/** The same over the group's standard deviation (of a sample, n − 1) plus 1e-4. */
export function standardised(group: Pick<RewardedGroup, 'rewards'>): number[] {
  const sd = deviation(group.rewards) ?? 0
  return centred(group).map((x) => x / (sd + 1e-4))
}

function groupOf({ rewards = [], sampled, reference }: Example): RewardedGroup {
  return { rewards, reference, ...(sampled ? { sampled: sampled.map((logps) => logps.reduce((sum, x) => sum + x, 0)) } : {}) }
}

function checkGroups(examples: readonly Example[], objective: Objective): void {
  checkRewards(examples, objective)
  for (const { tree, sampled } of examples)
    if (sampled?.some((logps, k) => logps.length !== tree.completions[k]?.length))
      throw new UserError(
        `train: ${objective.name} needs the sampler's log-probability of every token, got ${sampled.map(({ length }) => length).join(', ')} for completions of ${tree.completions.map(({ length }) => length).join(', ')} tokens`,
      )
}

function byToken(
  examples: readonly Example[],
  of: (example: Example) => readonly (readonly number[])[] | undefined,
  slots: number,
  longest: number,
) {
  const flat = new Float32Array(slots * longest)
  const rows = examples.flatMap((example) => of(example) ?? example.tree.completions.map((): readonly number[] => []))
  for (const [slot, row] of rows.entries()) flat.set(row, slot * longest)
  return tensor(flat, [slots, longest])
}

function deviation(numbers: readonly number[]): number | undefined {
  if (numbers.length < 2) return undefined
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (numbers.length - 1))
}

function tokensIn(completions: readonly (readonly number[])[]): number {
  return completions.reduce((sum, { length }) => sum + length, 0)
}
