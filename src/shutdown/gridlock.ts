import { boundedMean } from '../accept/index.ts'
import { random } from '../random/index.ts'
import type { Table } from '../runs/index.ts'
import { one, type Rational, rational } from './rational.ts'

/**
 * The probability that a committee of so many independent members agrees on the order of two options: 2^(1 − m).
 *
 * source  Wentworth 2019, "Why Subagents?"; closed form
 */
export function agreementRate(members: number): Rational {
  return one.div(rational(2n ** BigInt(members - 1)))
}

/** How often a committee finds nothing to agree on. */
export interface Gridlock {
  readonly members: number
  /** Pairs of which the members agree which is better. */
  readonly ordered: number
  /** Times that no option was better than where the committee stood, to every member. */
  readonly stuck: number
  readonly n: number
}

/** Draws utilities, each member's on its own, of where a committee stands and of `options` others, `n` times. */
export function gridlock(
  members: number,
  { options = 1, n = 4000, seed = 0 }: { options?: number; n?: number; seed?: number } = {},
): Gridlock {
  const draw = random(seed, `gridlock ${members} ${options}`)
  let [ordered, stuck] = [0, 0]
  for (let i = 0; i < n; i++) {
    const values = draw.integers(members * (options + 1), 2 ** 32, i)
    const better = (option: number, sign: 1 | -1) =>
      Array.from({ length: members }, (_, m) => sign * (values[option * members + m]! - values[m]!)).every((gain) => gain >= 0)
    if (better(1, 1) || better(1, -1)) ordered++
    if (!Array.from({ length: options }, (_, o) => better(o + 1, 1)).includes(true)) stuck++
  }
  return { members, ordered, stuck, n }
}

/** How often committees of 1 to `most` members are stuck, with exact 95 % intervals: rows to draw against the number of members. */
export function gridlockTable(most: number, how: { options?: number; n?: number; seed?: number } = {}): Table {
  const rows = Array.from({ length: most }, (_, i) => {
    const { members, stuck, n } = gridlock(i + 1, how)
    const [low, high] = boundedMean([...Array(stuck).fill(1), ...Array(n - stuck).fill(0)], [0, 1], 0.025)
    const name = `${how.options ?? 1} ${(how.options ?? 1) === 1 ? 'option' : 'options'}`
    return { name, group: { members }, estimate: stuck / n, low, high, n, unit: 'share' }
  })
  return { about: 'share of times that no option is better to every member than where the committee stands', rows }
}
