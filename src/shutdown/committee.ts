import { type Lottery, surely } from './lottery.ts'
import { type Rational, total } from './rational.ts'
import type { Member } from './world.ts'

/** What a lottery is worth to a member in expectation. */
export function valueTo({ values }: Member, { of }: Lottery): Rational {
  return total([...of].map(([trajectory, weight]) => weight.mul(values.get(trajectory)!)))
}

/** Whether a member votes on a lottery: it is named, by whatever name it has, or everything that it can give is. */
export function votesOn({ votesOn }: Member, x: Lottery): boolean {
  return votesOn === undefined || votesOn.has(x.key) || [...x.of.keys()].every((trajectory) => votesOn.has(surely(trajectory).key))
}

/** What the members who vote on a pair say of it. */
export type Agreement = 'first' | 'second' | 'equal' | 'gap'

/**
 * Unanimity with vetoes: a lottery is preferred when every member who votes on the pair values it at least as much and one values it more.
 * Where members disagree, or nobody votes, there is a gap.
 *
 * source  Wentworth 2019, "Why Subagents?"
 */
export function agreement(committee: readonly Member[], x: Lottery, y: Lottery): Agreement {
  const signs = committee
    .filter((member) => votesOn(member, x) && votesOn(member, y))
    .map((member) => valueTo(member, x).compare(valueTo(member, y)))
  if (signs.length === 0) return 'gap'
  if (signs.every((sign) => sign === 0)) return 'equal'
  if (signs.every((sign) => sign >= 0)) return 'first'
  return signs.every((sign) => sign <= 0) ? 'second' : 'gap'
}
