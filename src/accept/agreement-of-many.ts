import { normalQuantile } from '../goals/special-functions.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { meanInterval, tail } from './mean-interval.ts'

/** What several judges said of one item, each as one of a few names; an item that one alone judged says nothing of agreement. */
export interface SaidByMany {
  readonly said: readonly string[]
  /** Items of one unit, such as a prompt, are not independent. */
  readonly unit?: string
}

/** How several judges agree, however many of them judged an item. */
export interface AgreementOfMany {
  /** Share of pairs of judges that say the same of an item. */
  readonly share: Estimate
  /** Krippendorff's α for names: 1 where all agree, 0 where they do as chance would. */
  readonly alpha: Estimate
}

/** Below so many units α says that it cannot tell. */
const fewest = 20

/**
 * Agreement of any number of judges, of whom not all need have judged everything. The share has meanInterval's interval. α's is the hull of two:
 * the jackknife's over units, and the share's own at the disagreement by chance that was seen, which does not vanish where all agreed.
 *
 * throws  UserError with fewer than two units that two judged
 * limits  where all said one thing, chance alone reaches any agreement, and α cannot tell
 * source  Krippendorff 2011, Computing Krippendorff's Alpha-Reliability (α for nominal data); Efron and Stein 1981 (the jackknife's variance)
 */
export function agreementOfMany(items: readonly SaidByMany[]): AgreementOfMany {
  const units = new Map<string | number, string[][]>()
  for (const [i, { said, unit }] of items.entries()) if (said.length > 1) units.set(unit ?? i, [...(units.get(unit ?? i) ?? []), [...said]])
  const all = [...units.values()]
  const n = all.length
  if (n < 2) throw new UserError(`agreement: several judges must have at least 2 prompts in common, got ${n}; let them judge more`)
  const share = meanInterval(
    'agreement',
    all.map((unit) => unit.reduce((sum, said) => sum + agreeing(said), 0) / unit.length),
    'share',
    [0, 1],
  )
  const counts = all.map(countsOf)
  const whole = counts.reduce((a, b) => added(a, b))
  const byChance = chanceOf(whole)
  if (byChance === 0)
    return { share, alpha: { estimate: 0, low: -1, high: 1, n, unit: 'α', cannotTell: 'all said one and the same thing throughout' } }
  const estimate = alphaOf(whole)
  const without = counts.map((unit) => alphaOf(added(whole, unit, -1)))
  const mean = without.reduce((a, b) => a + b, 0) / n
  const sd = Math.sqrt(((n - 1) / n) * without.reduce((sum, one) => sum + (one - mean) ** 2, 0))
  const half = normalQuantile(1 - tail) * sd
  const atShare = (same: number) => 1 - (1 - same) / byChance
  return {
    share,
    alpha: {
      estimate,
      low: Math.max(-1, Math.min(estimate - half, atShare(share.low))),
      high: Math.min(1, Math.max(estimate + half, atShare(share.high))),
      ...{ n, unit: 'α' },
      ...(n < fewest ? { cannotTell: `${n} prompts are too few for an interval of α: ${fewest} or more are needed` } : {}),
    },
  }
}

/** Share of the pairs of judges of an item that say the same. */
function agreeing(said: readonly string[]): number {
  const same = [...tallied(said).values()].reduce((sum, count) => sum + count * (count - 1), 0)
  return same / (said.length * (said.length - 1))
}

function tallied(said: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of said) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** What α is made of: how often each name was said, and how often a pair of judges said the same, each value weighing one. */
interface Counts {
  readonly names: ReadonlyMap<string, number>
  readonly same: number
}

function countsOf(unit: readonly (readonly string[])[]): Counts {
  return unit.map((said): Counts => ({ names: tallied(said), same: said.length * agreeing(said) })).reduce((a, b) => added(a, b))
}

function added(a: Counts, b: Counts, by: 1 | -1 = 1): Counts {
  const names = new Map(a.names)
  for (const [name, count] of b.names) names.set(name, (names.get(name) ?? 0) + by * count)
  return { names, same: a.same + by * b.same }
}

function totalOf({ names }: Counts): number {
  return [...names.values()].reduce((a, b) => a + b, 0)
}

/** The disagreement of two values drawn from all, without putting one back. */
function chanceOf(counts: Counts): number {
  const n = totalOf(counts)
  return 1 - [...counts.names.values()].reduce((sum, count) => sum + count * (count - 1), 0) / (n * (n - 1))
}

function alphaOf(counts: Counts): number {
  const chance = chanceOf(counts)
  return chance <= 0 ? 1 : 1 - (1 - counts.same / totalOf(counts)) / chance
}
