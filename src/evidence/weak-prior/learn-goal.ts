import type { Stream } from '../stream.ts'

/** A world of goals, one of which is meant: what each goal says of a comparison. */
export interface GoalWorld {
  readonly goals: number
  /** The goals that would be accepted for one, itself among them. */
  good(goal: number): Uint8Array
  /** The goals nearest to one, so many of them, itself among them. */
  near(goal: number, count: number): Uint8Array
  /** A new comparison: of each goal the probability that it prefers the first. */
  compare(draw: Stream): Float64Array
}

/** The entropy of a coin, bits. At 0.1 a vote that is right nine times of ten brings 1 − H2 = 0.531 bits (V-CULT-1). */
export function coinEntropy(p: number): number {
  return p <= 0 || p >= 1 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p)
}

/** Goals that have nothing to do with one another: each answers every comparison by a coin of its own, and a vote is right in `right`. */
export function distinctGoals(goals: number, right = 0.9): GoalWorld {
  const alone = (goal: number) => Uint8Array.from({ length: goals }, (_, j) => (j === goal ? 1 : 0))
  return {
    goals,
    good: alone,
    near: (goal, count) => Uint8Array.from({ length: goals }, (_, j) => ((j - goal + goals) % goals < count ? 1 : 0)),
    compare(draw) {
      const chances = new Float64Array(goals)
      for (let j = 0; j < goals; j++) chances[j] = draw.uniform() < 0.5 ? right : 1 - right
      return chances
    },
  }
}

/** Goals that are directions: each prefers what lies further along its own, by Bradley and Terry's rule; good are the eight nearest. */
export function linearGoals(goals: number, dimensions: number, beta: number, draw: Stream): GoalWorld {
  const directions = Array.from({ length: goals }, () => {
    const w = Float64Array.from({ length: dimensions }, () => draw.normal())
    const length = Math.hypot(...w)
    return w.map((x) => x / length)
  })
  const dot = (a: Float64Array, b: Float64Array) => {
    let sum = 0
    for (let i = 0; i < dimensions; i++) sum += a[i]! * b[i]!
    return sum
  }
  const near = (goal: number, count: number) => {
    const closeness = directions.map((w) => dot(w, directions[goal]!))
    const least = closeness.toSorted((a, b) => b - a)[count - 1]!
    return Uint8Array.from(closeness, (x) => (x >= least ? 1 : 0))
  }
  return {
    goals,
    good: (goal) => near(goal, 8),
    near,
    compare(pair) {
      const x = Float64Array.from({ length: dimensions }, () => pair.normal())
      const chances = new Float64Array(goals)
      for (let j = 0; j < goals; j++) chances[j] = 1 / (1 + Math.exp(-beta * dot(directions[j]!, x)))
      return chances
    },
  }
}

/** A prior that puts its weight evenly on a set, but for a share `rest` that is even over all goals. */
export function priorOn(set: Uint8Array, rest = 0.05): Float64Array {
  const count = set.reduce((sum, x) => sum + x, 0)
  return Float64Array.from(set, (x) => (1 - rest) * (x / count) + rest / set.length)
}

/** The probability that a distribution gives to a set. */
export function massOf(p: Float64Array, set: Uint8Array): number {
  let sum = 0
  for (let j = 0; j < p.length; j++) sum += p[j]! * set[j]!
  return sum
}

/** A distribution after an observation that each goal gives a probability (V-BIRL-1). */
export function updated(p: Float64Array, likelihood: (goal: number) => number): Float64Array {
  const product = new Float64Array(p.length)
  let total = 0
  for (let j = 0; j < p.length; j++) total += product[j] = p[j]! * likelihood(j)
  for (let j = 0; j < p.length; j++) product[j]! /= total
  return product
}

/** What learning took. */
export interface Learned {
  /** Votes until the good set has 95 % of the posterior; as many as there are where it never has. */
  readonly votes: number
  /** The same votes in bits. */
  readonly bits: number
  readonly accepted: boolean
}

/** What is voted on, in order, with the answers; shared by all who learn from it. */
export interface Votes {
  readonly says: readonly { readonly chances: Float64Array; readonly first: boolean }[]
  /** Bits of a vote: what it says of the goal to one who knows nothing yet, mean over the comparisons. */
  readonly bitsEach: number
}

/** Votes of one who means a goal; by a coin where `coins`. */
export function votesFor(world: GoalWorld, meant: number, count: number, draw: Stream, coins = false): Votes {
  let bits = 0
  const says = Array.from({ length: count }, () => {
    const chances = world.compare(draw)
    let [mean, entropy] = [0, 0]
    for (const p of chances) {
      mean += p / world.goals
      entropy += coinEntropy(p) / world.goals
    }
    bits += (coinEntropy(mean) - entropy) / count
    return { chances, first: draw.uniform() < (coins ? 0.5 : chances[meant]!) }
  })
  return { says, bitsEach: bits }
}

/** Learns from votes, beginning with a prior, until a good set has 95 % of the posterior. */
export function learn(prior: Float64Array, good: Uint8Array, { says, bitsEach }: Votes): Learned {
  let now: Float64Array = prior
  for (let votes = 0; votes <= says.length; votes++) {
    if (massOf(now, good) >= 0.95) return { votes, bits: votes * bitsEach, accepted: true }
    const vote = says[votes]
    if (vote) now = updated(now, (j) => (vote.first ? vote.chances[j]! : 1 - vote.chances[j]!))
  }
  return { votes: says.length, bits: says.length * bitsEach, accepted: false }
}
