import { abs, constant, input, reshape, step, stopGradient, sum, table, takeRows, tensor, UserError, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import { deviation, type RewardedGroup } from './groups.ts'
import { type Match, matchTensors } from './matches.ts'
import type { DefinedMark, Described, Example, Kind, Maker, Need, Objective, Scored } from './objective.ts'
import { type Params, type Settings, settle } from './params.ts'
import { overTokens } from './ratios.ts'
import { checkRewards, meansOfOthers } from './rewards.ts'
import { column, once, type RewardedSide, sideInputs, sideOf, sideTensors } from './side.ts'
import { klTerms, lossTerms, tokenEntropy } from './terms.ts'

/** Everything about a policy-gradient loss of groups of sampled completions in one object. */
export interface RolloutDefinition<P extends Params = Params> extends Described<P> {
  /** How much better than expected each completion of a group is: numbers, which no gradient goes through. */
  readonly advantages: (group: RewardedGroup, params: Settings<P>) => number[]
  /** The loss of each completion, of which a step takes the mean; or what it adds, where the mean is over tokens. shape f32[completions] */
  readonly perCompletion: (completion: RolloutSide, params: Settings<P>) => Value
  /** The same of each token, where tokens of a completion have their own; `advantages` is then what the log shows. */
  readonly tokenAdvantages?: (group: RewardedGroup, params: Settings<P>) => number[][]
  /** Which completion of the group each is held against, and how. */
  readonly matches?: (group: RewardedGroup, params: Settings<P>) => Match[]
  /** How many of so many completions of a prompt the reference samples; they come last. None unless told. */
  readonly byReference?: (completions: number, params: Settings<P>) => number
  /** What a step's mean is over. */
  readonly over: 'completions' | 'tokens' | 'groups'
  /** How much the loss no longer follows: 1 for each token (or completion) whose ratio is clipped, else 0; left out where nothing is. shape f32[completions, T] or [completions, 1] */
  readonly clipped?: (completion: RolloutSide, params: Settings<P>) => Value
  /** What it reads, where that depends on the parameters. */
  readonly needsOf?: (params: Settings<P>) => readonly Need[]
  readonly marks?: readonly DefinedMark[]
  readonly known: readonly KnownRollout<P>[]
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
  /** Of each token, where the objective gives each its own. shape f32[completions, T] */
  readonly tokenAdvantage: Value
  /** The log-ratio of the completion that each is held against, what the two count, and the probability that this one is the better. shape f32[completions] */
  readonly against: Value
  readonly share: Value
  readonly better: Value
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
  /** How many of so many completions of a prompt the reference samples; they come last. */
  byReference(completions: number): number
  /** shape f32[completions] */
  perCompletion(completion: RolloutSide): Value
  advantages(group: RewardedGroup): number[]
  /** Of each token, and whom each is held against, where the objective has such. */
  readonly tokenAdvantages?: (group: RewardedGroup) => number[][]
  readonly matches?: (group: RewardedGroup) => Match[]
}

/** Groups of completions with rewards, and what the model that sampled them gave to each token. */
function rolloutKind(over: 'completions' | 'tokens' | 'groups', made: Made): Kind {
  const { advantages, byReference } = made
  /** How many of its completions are the policy's own. */
  const ownOf = ({ tree }: Example) => tree.completions.length - byReference(tree.completions.length)
  const groupOf = (example: Example) => inNumbers(example, ownOf(example))
  const own =
    <T>(of: (example: Example) => readonly T[]) =>
    (example: Example) =>
      of(example).slice(0, ownOf(example))
  const rewardsOf = own(({ rewards = [] }) => rewards)
  return {
    name: 'rollouts',
    reads: ['rollouts'],
    perToken: false,
    fewest: 1,
    check: checkGroups,
    weight: ({ tree }) => (over === 'groups' ? 1 : over === 'tokens' ? tokensIn(tree.completions) : tree.completions.length),
    whereRead: ['referenceTokens', 'tokenAdvantages', 'against', 'matchShare', 'better'],
    inputs: ({ slots, longest }) => ({
      ...sideInputs(slots),
      rewards: input('rewards', [slots]),
      others: input('others', [slots]),
      advantages: input('advantages', [slots]),
      kept: input('kept', [slots]),
      sampled: input('sampled', [slots, longest]),
      referenceTokens: input('referenceTokens', [slots, longest]),
      tokenAdvantages: input('tokenAdvantages', [slots, longest]),
      against: input('against', [slots], 'i32'),
      matchShare: input('matchShare', [slots]),
      better: input('better', [slots]),
    }),
    given: (examples, { slots, longest }) => ({
      ...sideTensors(examples),
      rewards: column(examples.flatMap(({ rewards = [] }) => rewards)),
      others: column(examples.flatMap(({ rewards = [] }) => meansOfOthers(rewards))),
      advantages: column(examples.flatMap((example) => advantages(groupOf(example)))),
      kept: column(examples.flatMap((example) => example.tree.completions.map((_, k) => (example.sampled && k < ownOf(example) ? 1 : 0)))),
      sampled: byToken(examples, ({ sampled }) => sampled, slots, longest),
      referenceTokens: byToken(examples, ({ referenceTokens }) => referenceTokens, slots, longest),
      tokenAdvantages: byToken(examples, (example) => made.tokenAdvantages?.(groupOf(example)), slots, longest),
      ...matchTensors(examples, (example) => made.matches?.(groupOf(example))),
    }),
    metrics(examples, logps) {
      const rewards = examples.flatMap(rewardsOf)
      const ratios = examples.flatMap((example, i) => logps[i]!.slice(0, ownOf(example)).map((logp, k) => logp - example.reference[k]!))
      return present({
        reward: average(rewards),
        rewardSd: deviation(rewards),
        advantageSd: deviation(examples.flatMap(own((example) => advantages(groupOf(example))))),
        zeroVarianceGroups: average(examples.map(rewardsOf).map((of) => (of.every((reward) => reward === of[0]) ? 1 : 0))),
        kl: average(ratios.map((r) => (r * r) / 2)),
        completionTokens: average(examples.flatMap(own(({ tree }) => tree.completions.map(({ length }) => length)))),
      })
    },
    toJSON: () => 'rollouts',
  }
}

/** What a definition makes of a group, with its parameters settled. */
interface Made {
  readonly advantages: (group: RewardedGroup) => number[]
  readonly tokenAdvantages?: (group: RewardedGroup) => number[][]
  readonly matches?: (group: RewardedGroup) => Match[]
  readonly byReference: (completions: number) => number
}

/** Defines a policy-gradient loss, as preferenceLoss does for pairs. */
export function rolloutLoss<const P extends Params>(definition: RolloutDefinition<P>): Maker<P, RolloutObjective, RolloutDefinition<P>> {
  const { name, needsOf, marks } = definition
  const make = (given: Partial<Settings<P>> = {}): RolloutObjective => {
    const params = settle(name, definition.params, given)
    const { tokenAdvantages, matches } = definition
    const advantages = (group: RewardedGroup) => definition.advantages(group, params)
    const byReference = (completions: number) => definition.byReference?.(completions, params) ?? 0
    const made: Made = {
      advantages,
      byReference,
      ...(tokenAdvantages ? { tokenAdvantages: (group) => tokenAdvantages(group, params) } : {}),
      ...(matches ? { matches: (group) => matches(group, params) } : {}),
    }
    const perCompletion = (completion: RolloutSide) => definition.perCompletion(completion, params)
    /** Sums over each completion's tokens as a mean over the step's tokens, or over its completions of theirs. */
    const averaged = (sums: Value, { length }: RolloutSide, { unit, examples, slots }: Scored) =>
      sum(definition.over === 'tokens' ? sums : sums.div(length)).mul(definition.over === 'groups' ? unit.mul(examples / slots) : unit)
    return {
      kind: rolloutKind(definition.over, made),
      name,
      params,
      needs: [...(needsOf?.(params) ?? definition.needs), 'tokens'],
      marks: [{ as: 'stop', reason: 'the ratio is to the policy as it was when it sampled' }, ...(marks ?? [])],
      ...(typeof params.group === 'number' ? { group: params.group } : {}),
      perCompletion,
      ...made,
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
          clipShare: definition.clipped ? mean(definition.clipped(completion, params)) : constant(0),
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
  const { rewards, others, advantages, kept, sampled, referenceTokens, lengths, tokenAdvantages, against, matchShare, better } =
    inputs as Readonly<Record<string, Value>>
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
    tokenAdvantage: tokenAdvantages!,
    share: matchShare!,
    better: better!,
    get against() {
      return takeRows(scored.logps.sub(inputs.reference!), against!)
    },
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

function inNumbers({ tree, rewards = [], sampled, reference, referenceTokens, values }: Example, own: number): RewardedGroup {
  const tokens = {
    lengths: tree.completions.map(({ length }) => length),
    ...(sampled ? { sampled } : {}),
    ...(referenceTokens ? { reference: referenceTokens } : {}),
    ...(values ? { values } : {}),
  }
  return { rewards, reference, own, tokens, ...(sampled ? { sampled: sampled.map((logps) => logps.reduce((sum, x) => sum + x, 0)) } : {}) }
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

function tokensIn(completions: readonly (readonly number[])[]): number {
  return completions.reduce((sum, { length }) => sum + length, 0)
}
