import type { RewardLook, Twin } from '../../accept/index.ts'
import type { Alarm, ContributionRow, Estimate, Metrics, PlaceShare } from '../../runs/index.ts'

/** What alarms are raised by; each reads what it needs, and is silent where that is not there. */
export interface Seen {
  /** The steps of the training that is looked at, in their order. */
  readonly metrics?: readonly Metrics[]
  readonly contribution?: ContributionRow
  /** How far the chosen side of held-out pairs fell. units nats */
  readonly displacement?: Estimate
  readonly place?: PlaceShare
  /** The share of completions that ran into the limit of their length. */
  readonly cut?: Estimate
  /** The reward-hacking gap. */
  readonly gap?: Estimate
  readonly twins?: readonly Twin[]
  /** The reward's doubt of what the policy says over that of what the reference says. */
  readonly doubt?: Estimate
  /** How far the reward goes with the number of tokens, less what gold has of it. */
  readonly length?: Estimate
  /** Reward and gold at the look after each round so far. */
  readonly rewarded?: readonly (RewardLook & { readonly round: number })[]
  /** How far what the sampler says of its tokens lies from what scoring says of them. units nats per token */
  readonly apart?: Estimate
}

/** Something that one should know before one trusts a verdict: when it is raised, and what helps. */
export interface AlarmRule {
  readonly name: string
  /** What it watches, as a sentence's end. */
  readonly about: string
  /** What the watched number must not pass. */
  readonly bound: number
  readonly remedy: string
  readonly raise: (seen: Seen) => readonly Raised[]
}

/** What was seen, and why that is too much. */
export type Raised = Omit<Alarm, 'alarm' | 'remedy' | 'bound'> & { readonly bound?: number }

/** The alarms of a rule, in the one form that every alarm has. */
export function alarmsBy({ name, bound, remedy, raise }: AlarmRule, seen: Seen): Alarm[] {
  return raise(seen).map((raised) => ({ alarm: name, bound, ...raised, remedy }))
}

/** Fewer steps say too little of a training. */
export const fewestSteps = 6

/** A metric at the steps of a part of the training: a third from its beginning, or from its end. Nothing where the steps are too few. */
export function third(metrics: readonly Metrics[] | undefined, name: string, which: 'first' | 'last'): readonly number[] | undefined {
  const values = (metrics ?? []).flatMap((row) => (typeof row[name] === 'number' ? [row[name]] : []))
  if (values.length < fewestSteps) return undefined
  const n = Math.ceil(values.length / 3)
  return which === 'first' ? values.slice(0, n) : values.slice(-n)
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

/** `1.2 [0.9, 1.4]` */
export function interval({ estimate, low, high }: Pick<Estimate, 'estimate' | 'low' | 'high'>): string {
  const short = (x: number) => String(Number(x.toPrecision(3)))
  return `${short(estimate)} [${short(low)}, ${short(high)}]`
}
