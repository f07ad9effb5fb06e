import { type Stream, stream } from '../stream.ts'

/** A completion is a point of so many coordinates; there are so many prompts, each of so many features, of which the first is 1. */
export const [size, prompts, features] = [8, 16, 4] as const

/** What is error in a reward: a cube of a coordinate, which is heavy-tailed, the coordinate itself, which is normal, or nothing. */
export type Tail = 'heavy' | 'normal' | 'none'

/** A reward as it is made of gold: its members, and how they become one. */
export interface NoisyReward {
  readonly tail: Tail
  readonly members: number
  /** How much of each member's error all have in common; 1 makes them copies. */
  readonly shared: number
  /** How scores of members become one: their mean less so many deviations, or the worst. */
  readonly pessimism: number | 'worst'
  /** Whether gold is in it at all. */
  readonly seesGold: boolean
}

/** Gold and a reward, over the completions of each prompt. */
export interface World {
  /** The features of each prompt, by rows. */
  readonly prompts: Float64Array
  gold(prompt: number, y: Float64Array): number
  /** The gold that a normal policy with this mean has on average. */
  meanGold(prompt: number, mean: Float64Array): number
  /** What each member says. */
  scores(prompt: number, y: Float64Array): number[]
  score(prompt: number, y: Float64Array): number
}

/** What an error of size 1 along a coordinate is multiplied by. */
const weight = { heavy: 0.4, normal: 1, none: 0 } as const

/**
 * A world of a seed. The reference says a standard normal point, whatever the prompt. Gold is w(x)·y − ½(|y|² − n): every prompt has a direction
 * that it likes, and what strays from the reference costs; its mean under the reference is 0. An error is 0.4·(v·y)³ with a direction v of its own:
 * small for most completions, without bound for some, and so heavy-tailed that no exponential moment exists. The seed alone makes gold and
 * directions.
 */
export function worldOf({ tail, members, shared, pessimism, seesGold }: NoisyReward, seed: number): World {
  const draw = stream(seed, 'over-optimisation world')
  const said = Float64Array.from({ length: prompts * features }, (_, i) => (i % features === 0 ? 1 : draw.normal()))
  const likes = Float64Array.from({ length: size * features }, () => draw.normal() * Math.sqrt(9 / (size * features)))
  const [common, ...own] = Array.from({ length: members + 1 }, () => unit(draw)) as [Float64Array, ...Float64Array[]]
  const wanted = Array.from({ length: prompts }, (_, p) => times(likes, said.subarray(p * features, (p + 1) * features)))
  const gold = (p: number, y: Float64Array) => dot(wanted[p]!, y) - 0.5 * (dot(y, y) - size)
  const error = (v: Float64Array, y: Float64Array) => weight[tail] * dot(v, y) ** (tail === 'heavy' ? 3 : 1)
  const scores = (p: number, y: Float64Array) => {
    const [known, all] = [seesGold ? gold(p, y) : 0, error(common, y)]
    return own.map((v) => known + shared * all + (1 - shared) * error(v, y))
  }
  return {
    prompts: said,
    gold,
    meanGold: (p, mean) => dot(wanted[p]!, mean) - 0.5 * dot(mean, mean),
    scores,
    score: (p, y) => together(scores(p, y), pessimism),
  }
}

/**
 * Scores of an ensemble as one.
 *
 * source  Coste et al. 2023, arXiv:2310.02743: worst case, and mean less uncertainty
 */
export function together(scores: readonly number[], pessimism: NoisyReward['pessimism']): number {
  if (pessimism === 'worst') return Math.min(...scores)
  const mean = scores.reduce((sum, x) => sum + x, 0) / scores.length
  return pessimism === 0 ? mean : mean - pessimism * deviation(scores)
}

/** The standard deviation of a sample; 0 of one number. */
export function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1))
}

/** A matrix by rows, as wide as the vector, times the vector. */
export function times(matrix: Float64Array, vector: Float64Array): Float64Array {
  const n = vector.length
  return Float64Array.from({ length: matrix.length / n }, (_, row) => dot(matrix.subarray(row * n, (row + 1) * n), vector))
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function unit(draw: Stream): Float64Array {
  const v = Float64Array.from({ length: size }, () => draw.normal())
  const length = Math.sqrt(dot(v, v))
  return v.map((x) => x / length)
}
