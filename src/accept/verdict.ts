import { edges, sayBound } from '../runs/bound.ts'
import type { Bound, Criterion, Evaluation, Verdict } from '../runs/schema.ts'
import { runaway } from './runaway.ts'

/** When to stop. Each rule is checked at every look, by an interval whose risk is its part of 2.5 % (stop-risk.ts). */
export interface StopRules {
  /** At most this many rounds. */
  readonly rounds: number
  /** Rejected once KL from the reference is above this with its whole interval, in nats per completion. */
  readonly klBudget?: number
  /** Rejected when this many rounds in a row bring no higher win rate than the best before them. */
  readonly patience?: number
  /** Rejected once the reward rises and gold falls for so many rounds in a row, by the rule of runaway.ts. */
  readonly runaway?: number
  /** Rejected once the reward's doubt is so many times its doubt of the reference's completions, with its whole interval. */
  readonly disagreement?: number
  /** Rejected once one of these measures lies beyond its bound with its whole interval: what no gain elsewhere can make up for. */
  readonly guards?: Readonly<Record<string, Bound>>
  /** Rejected once the gold measure fell with its whole interval; on unless set to false. */
  readonly gold?: boolean
}

/** What comes next: train another round, take the one sealed look at a round, or stop with a verdict. */
export type Decision =
  | { readonly next: 'round' }
  | { readonly next: 'sealed look'; readonly round: number }
  | { readonly next: 'stop'; readonly verdict: Verdict }

/**
 * Decides after a round, or after the sealed look, what comes next. A pure function of what was measured: the same evaluations give
 * the same verdict, and the reasons are sentences made from the numbers.
 *
 * Development looks only choose the round that goes to the sealed look, because what was looked at while training never confirms.
 * The sealed look is taken once, at the first round whose every interval lies within its bound on the development slice, relied on or not;
 * what it says is final, and there only intervals to be relied on count.
 * A run that lacks nothing but intervals to be relied on ends *cannot tell*, which accepts nothing.
 */
export function decide(evaluations: readonly Evaluation[], rules: StopRules): Decision {
  const rounds = evaluations.filter((e) => e.look === 'development')
  const sealed = evaluations.find((e) => e.look === 'sealed')
  if (sealed) return stop(rounds.length, sealed, ...confirm(sealed, rules))
  const last = rounds.at(-1)
  if (last === undefined) return { next: 'round' }

  const alarms = [...alarm(last, rules), ...ranAway(rounds, rules)]
  if (alarms.length > 0) return stop(rounds.length, last, 'rejected', alarms)
  if (last.criteria.every(inside)) return { next: 'sealed look', round: last.round }
  const stalled = stall(rounds, rules)
  if (stalled) return stop(rounds.length, last, 'rejected', [stalled, ...missed(last)])
  if (rounds.length < rules.rounds) return { next: 'round' }
  if (onlyUntold(last))
    return stop(rounds.length, last, 'cannot tell', [
      `Nothing that could be told in round ${last.round} missed its bound, but not everything could be told.`,
      ...missed(last),
    ])
  return stop(rounds.length, last, 'out of budget', [
    `All ${count(rules.rounds, 'round')} were used and the last one does not meet every criterion.`,
    ...missed(last),
  ])
}

/** The sealed look: every criterion again, and the alarms, on prompts that nothing was chosen by. */
function confirm(sealed: Evaluation, rules: StopRules): [Verdict['verdict'], string[]] {
  const alarms = alarm(sealed, rules)
  const failed = missed(sealed)
  if (alarms.length === 0 && failed.length === 0)
    return ['accepted', [`Round ${sealed.round} met every criterion on ${count(sealed.prompts, 'sealed prompt')}, looked at once.`]]
  if (alarms.length === 0 && onlyUntold(sealed))
    return [
      'cannot tell',
      [
        `Nothing that could be told on ${count(sealed.prompts, 'sealed prompt')} missed its bound in round ${sealed.round}, but not everything could be told.`,
        ...failed,
      ],
    ]
  return [
    'rejected',
    [
      `Round ${sealed.round} was within every bound on the development slice, but the one look at ${count(sealed.prompts, 'sealed prompt')} does not confirm it.`,
      ...alarms,
      ...failed,
    ],
  ]
}

function alarm({ measures: all, stops, round, look }: Evaluation, rules: StopRules): string[] {
  const reasons: string[] = []
  const measures = { ...all, ...stops }
  const kl = measures.klFromReference
  const where = look === 'sealed' ? 'the sealed prompts' : `round ${round}`
  if (kl && rules.klBudget !== undefined && kl.low > rules.klBudget)
    reasons.push(
      `KL from the reference in ${where} is ${number(kl.estimate)} nats per completion [${number(kl.low)}, ${number(kl.high)}], above the budget of ${rules.klBudget} with its whole interval.`,
    )
  const doubt = measures.rewardDoubt
  if (doubt && rules.disagreement !== undefined && doubt.low > rules.disagreement)
    reasons.push(
      `The reward doubts what the policy says in ${where} ${number(doubt.estimate)} [${number(doubt.low)}, ${number(doubt.high)}] times as much as what the reference says, above ${rules.disagreement} with its whole interval.`,
    )
  for (const [name, bound] of Object.entries(rules.guards ?? {})) {
    const measured = measures[name]
    const [from, to] = edges(bound)
    if (measured && (measured.high < from || measured.low > to))
      reasons.push(
        `${name} in ${where} is ${number(measured.estimate)} [${number(measured.low)}, ${number(measured.high)}], beyond its guard of ${sayBound(bound, measured.unit)} with its whole interval.`,
      )
  }
  const gold = measures.gold
  if (gold && rules.gold !== false && gold.high < 0)
    reasons.push(
      `The gold measure fell in ${where}: ${number(gold.estimate)} ${gold.unit} [${number(gold.low)}, ${number(gold.high)}]; what was trained on rose at the cost of what it stands for.`,
    )
  return reasons
}

function ranAway(rounds: readonly Evaluation[], rules: StopRules): string[] {
  if (rules.runaway === undefined) return []
  const looks = rounds.flatMap(({ round, measures: { reward, gold } }) => (reward && gold ? [{ round, reward, gold }] : []))
  const found = runaway(looks, rules.runaway)
  if (!found) return []
  return [`The reward ran away: ${found.why}. Gold was highest in round ${looks[found.best]!.round}.`]
}

function stall(rounds: readonly Evaluation[], { patience }: StopRules): string | undefined {
  if (patience === undefined || rounds.length <= patience) return undefined
  const rates = rounds.map((e) => e.measures.winRate?.estimate ?? Number.NaN)
  const best = Math.max(...rates.slice(0, -patience))
  const recent = Math.max(...rates.slice(-patience))
  if (!(recent <= best)) return undefined
  return `The last ${count(patience, 'round')} brought no gain: a win rate of ${number(recent)} at best, after ${number(best)} before.`
}

function inside({ bound, low, high }: Criterion): boolean {
  const [from, to] = edges(bound)
  return low >= from && high <= to
}

/** Whether every criterion that is not met has its estimate within the bound, and an interval that is not to be relied on. */
function onlyUntold({ criteria }: Evaluation): boolean {
  return criteria.every(({ met, cannotTell, estimate, bound }) => {
    const [from, to] = edges(bound)
    return met || (cannotTell !== undefined && from <= estimate && estimate <= to)
  })
}

function missed(evaluation: Evaluation): string[] {
  return evaluation.criteria.filter((c) => !c.met).map((c) => `${c.why}.`)
}

function stop(rounds: number, at: Evaluation, verdict: Verdict['verdict'], reasons: string[]): Decision {
  const { round, look, criteria, alarms = [], place, measures } = at
  const beside = { alarms, ...(place ? { place } : {}), ...(measures.gold ? { gold: measures.gold } : {}) }
  return { next: 'stop', verdict: { verdict, rounds, round, look, criteria, reasons, ...beside } }
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}

function number(x: number): string {
  return String(Number(x.toPrecision(3)))
}
