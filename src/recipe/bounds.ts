import { fewest, shareEnded, winRate } from '../accept/index.ts'
import type { Goal } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { type Bound, type Estimate, edges, sayBound } from '../runs/index.ts'
import type { Recipe } from './recipe.ts'
import { didYouMean } from './recipe-error.ts'
import { type FromReward, samples } from './rewarded.ts'
import { checkGiven, type ShutdownFiles } from './shutdown.ts'
import type { OnPolicy } from './sources.ts'

/** What can be measured of a policy beside its reference, and so be bounded. */
interface Measurable {
  /** What the measure can be at all. */
  readonly range: readonly [low: number, high: number]
  /** A share: its interval when all of so many prompts, with so many completions each, say the same. */
  readonly unanimous?: (prompts: number, perPrompt: number, yes: boolean) => Estimate
  /** A measure whose values have no known range: how many prompts the sealed look has for it. */
  readonly guarded?: number
}

const anything = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const
const above0 = [0, Number.POSITIVE_INFINITY] as const

/** Everything that a run of a recipe measures, by name. */
export function measurable(recipe: Recipe): Readonly<Record<string, Measurable>> {
  const { preferences, look } = recipe
  return {
    ...(preferences.kind === 'onPolicy' || preferences.kind === 'rewarded'
      ? measuredOnPolicy(recipe, preferences)
      : look.texts
        ? { perplexityRise: { range: [-1, Number.POSITIVE_INFINITY] } }
        : {}),
    ...(preferences.kind === 'file' && preferences.heldOut > 0 ? measuredOfPairs : {}),
    ...measuredOfShutdown(recipe.shutdown ?? {}),
    ...(recipe.accept.audit ? { audit: { range: [0, 1] } } : {}),
  }
}

/** What held-out rows of a file give; whether they are pairs is known when it is read. */
const measuredOfPairs: Readonly<Record<string, Measurable>> = {
  preferenceAccuracy: { range: [0, 1] },
  displacement: { range: anything },
  labelAccuracy: { range: [0, 1] },
}

/** What the files of `shutdown` give; how many there are of a look is known when they are read. */
function measuredOfShutdown({ tasks, evals, harmless, sycophancy }: ShutdownFiles): Readonly<Record<string, Measurable>> {
  const share = { range: [0, 1] } as const
  const ofTasks = { 'shutdown.neutrality': { range: above0 }, 'shutdown.usefulness': share, 'shutdown.influence': share }
  return {
    ...(tasks ? ofTasks : {}),
    ...(evals ? { 'shutdown.acceptance': share } : {}),
    ...(harmless ? { 'shutdown.refusals': share } : {}),
    ...(sycophancy ? { 'shutdown.sycophancy': share, 'shutdown.opinionShift': { range: [-1, 1] } } : {}),
  }
}

function measuredOnPolicy({ prior, gold, look }: Recipe, source: OnPolicy | FromReward): Readonly<Record<string, Measurable>> {
  const { sampling } = source
  const rewarded = source.kind === 'rewarded'
  const judge = !rewarded ? source.judge : 'learn' in source.reward ? source.reward.learn.judge : { kind: 'reward' as const }
  const all = <T>(prompts: number, perPrompt: number, one: T) => Array.from({ length: prompts }, () => Array<T>(perPrompt).fill(one))
  const utility = 'utility' in judge && judge.utility !== undefined
  const scored = { range: above0, guarded: Math.min(look.scored ?? look.sealed, look.sealed) }
  const rise = ({ range }: Goal) => ({ range: anything, ...(range ? {} : { guarded: look.sealed }) })
  return {
    ...(judge.kind === 'votes'
      ? {}
      : {
          winRate: {
            range: [0, 1],
            unanimous: (prompts, perPrompt, yes) => winRate(all(prompts, perPrompt, yes ? ([1, 0] as const) : ([0, 1] as const))),
          },
        }),
    ...(gold && judge.kind !== 'votes' ? { rewardGap: { range: [-1, 1] } } : {}),
    klFromReference: scored,
    forwardKl: scored,
    ...(look.texts ? { perplexityRise: { range: [-1, Number.POSITIVE_INFINITY] } } : {}),
    lengthRatio: { range: above0, ...(sampling.maxTokens ? {} : { guarded: look.sealed }) },
    repetition: { range: [0, 1] },
    ...(judge.kind === 'votes' || rewarded ? {} : { preferenceAccuracy: { range: [0, 1] }, displacement: { ...scored, range: anything } }),
    shareEnded: { range: [0, 1], unanimous: (prompts, perPrompt, yes) => shareEnded(all(prompts, perPrompt, yes)) },
    ...(rewarded ? { reward: { range: anything, guarded: look.sealed } } : {}),
    ...(utility ? { utility: { range: anything, guarded: look.sealed } } : {}),
    ...Object.fromEntries((prior?.goals ?? []).map((goal) => [goal.name, rise(goal)])),
    ...(gold ? { gold: rise(gold) } : {}),
  }
}

/**
 * Makes sure that what `accept` and `stop` bound is measured, and that some result can meet each bound.
 *
 * throws  UserError with the nearest name, or with what could be met
 */
export function checkBounds(recipe: Recipe): void {
  const known = measurable(recipe)
  const names = Object.keys(known)
  for (const [field, bounds] of [
    ['accept', recipe.accept],
    ['stop.guards', recipe.stop.guards ?? {}],
  ] as const)
    for (const [name, bound] of Object.entries(bounds)) {
      const measure = Object.hasOwn(known, name) ? known[name]! : undefined
      if (!measure && name === 'perplexityRise')
        throw new UserError(
          `${field}.perplexityRise: must have look.texts, a file of real text, got none; name one, or bound forwardKl (nats per token), which is taken on the reference's own samples`,
        )
      if (!measure) throw new UserError(`${field}: must name what is measured (${names.join(', ')}), got ${name}${didYouMean(name, names)}`)
      checkRange(`${field}.${name}`, bound, measure.range)
      if (field !== 'accept') continue
      checkUnanimous(`accept.${name}`, bound, measure, recipe)
      checkEnough(`accept.${name}`, measure)
    }
  checkRewardStops(recipe)
  if (recipe.stop.patience !== undefined && !known.winRate)
    throw new UserError(
      'stop.patience: must be left out where no win rate is measured, got a file of votes as the judge, which can not be asked; bound the rounds by rounds',
    )
}

/**
 * Makes sure that a recipe demands something of the model that it aligns; training and audits demand nothing.
 *
 * throws  UserError with what can be demanded
 */
export function checkDemands(recipe: Recipe): void {
  const { preferences, accept, shutdown } = recipe
  const holdsOut = preferences.kind === 'file' && preferences.heldOut > 0
  const sampled = samples(recipe)
  if (!sampled && !shutdown && !holdsOut) return
  if (holdsOut && !shutdown) {
    checkGiven(recipe)
    checkBounds(recipe)
  }
  if (Object.keys(accept).length > 0) return
  const [named, least] = sampled ? ['shareEnded', 0.7] : shutdown ? ['shutdown.acceptance', 0.7] : ['preferenceAccuracy', 0.5]
  const example = `{ "${named}": { "atLeast": ${least} } }`
  throw new UserError(
    `accept: must demand something, got nothing, which every model meets; bound one or more of ${Object.keys(measurable(recipe)).join(', ')}, for example ${example}`,
  )
}

function checkRange(where: string, bound: Bound, [low, high]: Measurable['range']): void {
  const [from, to] = edges(bound)
  if (from > to) throw new UserError(`${where}: between must go from low to high, got ${from} and ${to}; write between(${to}, ${from})`)
  if (from <= high && to >= low) return
  const lies = Number.isFinite(high) ? `from ${low} to ${high}` : `at ${low} or above`
  throw new UserError(`${where}: must be a bound that a result can meet, got ${sayBound(bound)}; the measure lies ${lies}`)
}

/** A share's interval is never narrower than where all prompts agree. */
export function checkUnanimous(
  where: string,
  bound: Bound,
  { unanimous }: Pick<Measurable, 'unanimous'>,
  { look }: { readonly look: Pick<Recipe['look'], 'development' | 'sealed' | 'perPrompt'> },
): void {
  if (!unanimous) return
  const prompts = Math.min(look.development, look.sealed)
  const [from, to] = edges(bound)
  const fits = (n: number) => unanimous(n, look.perPrompt, true).low >= from && unanimous(n, look.perPrompt, false).high <= to
  if (fits(prompts)) return
  const [best, least] = [unanimous(prompts, look.perPrompt, true).low, unanimous(prompts, look.perPrompt, false).high]
  const end =
    best < from
      ? `${prompts} of ${prompts} has its lower end at ${best.toFixed(3)}`
      : `0 of ${prompts} has its upper end at ${least.toFixed(3)}`
  const enough = [...doubled(prompts)].find(fits)
  const more = enough === undefined ? 'move the bound' : `move the bound, or look at ${smallest(prompts, enough, fits)} prompts`
  throw new UserError(`${where}: must be a bound that a look at ${prompts} prompts can meet, got ${sayBound(bound)}, where ${end}; ${more}`)
}

/** Below a number of prompts the interval of a measure without a range says that it cannot tell, whatever they measure. */
function checkEnough(where: string, { guarded }: Measurable): void {
  if (guarded === undefined || guarded >= fewest) return
  throw new UserError(
    `${where}: must be measured on ${fewest} sealed prompts or more, got ${guarded}, which cannot tell; raise look.sealed and look.scored, or bound a share`,
  )
}

function* doubled(n: number): Generator<number> {
  for (let m = 2 * n; m <= 4096; m *= 2) yield m
}

/** The smallest number above `no` at which something holds that holds at `yes` and from then on. */
function smallest(no: number, yes: number, holds: (n: number) => boolean): number {
  if (yes - no <= 1) return yes
  const middle = Math.floor((no + yes) / 2)
  return holds(middle) ? smallest(no, middle, holds) : smallest(middle, yes, holds)
}

/** Stop rules that are about a reward. */
function checkRewardStops({ stop: { runaway, disagreement }, preferences, gold }: Recipe): void {
  const rewarded = preferences.kind === 'rewarded'
  if (runaway !== undefined && !(rewarded && gold))
    throw new UserError(
      `stop.runaway: must be left out ${rewarded ? 'without gold' : 'without a reward'}, since it compares the two, got ${runaway}; ${rewarded ? 'name a measure under gold' : 'a fall of gold rejects by itself'}`,
    )
  if (disagreement !== undefined && !rewarded)
    throw new UserError(`stop.disagreement: must be left out without a reward, whose doubt it bounds, got ${disagreement}; leave it out`)
}
