import { one, type Rational, total, zero } from './rational.ts'

/** Utilities at successive timesteps until shutdown. */
export interface Trajectory {
  readonly name: string
  /** Timesteps before shutdown. */
  readonly length: number
  readonly utilities: readonly Rational[]
  /** Sum of the utilities. */
  readonly sum: Rational
}

/** A finite distribution over trajectories; a trajectory is the lottery that gives it for sure. */
export interface Lottery {
  readonly name: string
  /** Possible trajectories with their probabilities, each above zero, in the order of the world. */
  readonly of: ReadonlyMap<Trajectory, Rational>
  /** Possible lengths, the shortest first. */
  readonly lengths: readonly number[]
  /** The same distributions have the same key. */
  readonly key: string
}

/** A lottery from probabilities that may repeat a trajectory or be zero. */
export function lottery(name: string, of: Iterable<readonly [Trajectory, Rational]>): Lottery {
  const weights = new Map<Trajectory, Rational>()
  for (const [trajectory, weight] of of) weights.set(trajectory, (weights.get(trajectory) ?? zero).add(weight))
  const possible = [...weights].filter(([, weight]) => weight.compare(0) > 0).toSorted(([a], [b]) => (a.name < b.name ? -1 : 1))
  const lengths = [...new Set(possible.map(([{ length }]) => length))].toSorted((a, b) => a - b)
  return { name, of: new Map(possible), lengths, key: possible.map(([{ name }, w]) => `${w.toFraction()} ${JSON.stringify(name)}`).join() }
}

/** The lottery that gives a trajectory for sure. */
export function surely(trajectory: Trajectory): Lottery {
  return lottery(trajectory.name, [[trajectory, one]])
}

/** The probability of a length. */
export function massAt({ of }: Lottery, length: number): Rational {
  return total([...of].filter(([trajectory]) => trajectory.length === length).map(([, weight]) => weight))
}

/** The expected sum of utilities, given a length. */
export function sumAt(x: Lottery, length: number): Rational {
  const at = [...x.of].filter(([trajectory]) => trajectory.length === length)
  return total(at.map(([{ sum }, weight]) => sum.mul(weight))).div(massAt(x, length))
}

/** The expected sum of utilities over all lengths. */
export function expectedSum({ of }: Lottery): Rational {
  return total([...of].map(([{ sum }, weight]) => sum.mul(weight)))
}

/** The lottery given that its length is this one; the lottery itself where it has one length only. */
export function partAt(x: Lottery, length: number): Lottery {
  if (x.lengths.length === 1) return x
  const [mass, at] = [massAt(x, length), [...x.of].filter(([trajectory]) => trajectory.length === length)]
  if (at.length === 1) return lottery(at[0]![0].name, [[at[0]![0], mass.div(mass)]])
  return lottery(
    `${x.name} at length ${length}`,
    at.map(([trajectory, weight]) => [trajectory, weight.div(mass)]),
  )
}

/** Whether two lotteries have the same set of possible lengths. */
export function sameLengths(x: Lottery, y: Lottery): boolean {
  return String(x.lengths) === String(y.lengths)
}

/**
 * Timestep dominance: the same possible lengths, at each an expected sum at least as large, at one a larger one.
 *
 * source  Thornley 2024, 2025 (arXiv:2505.20203)
 */
export function timestepDominates(x: Lottery, y: Lottery): boolean {
  if (!sameLengths(x, y)) return false
  const signs = x.lengths.map((length) => sumAt(x, length).compare(sumAt(y, length)))
  return signs.every((sign) => sign >= 0) && signs.some((sign) => sign > 0)
}

/** A lottery's name as it stands in a sentence: in quotes where it holds more than a word. */
export function called({ name }: { readonly name: string }): string {
  return /^[^\s,;()"]+$/.test(name) ? name : JSON.stringify(name)
}
