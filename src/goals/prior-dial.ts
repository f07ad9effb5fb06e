import { Matrix } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import { logDet } from './gaussian.ts'
import type { Goal } from './goal.ts'
import { type Law, signProbability } from './law.ts'

/** log2 P(G)/P_ref(G): any symmetric law of independent weights puts 2^−goals on G. */
export function bitsOf(goals: readonly Goal[], law: Law): number {
  const agreeing = signProbability(law, goals.map(({ direction }) => direction)) // biome-ignore format: one line
  return goals.length + Math.log2(agreeing / signProbability(law))
}

/** What a covariance is worth in votes, each of which adds ½ to every precision. */
export function worthOf({ covariance }: Law): number {
  return 2 * Math.exp(-logDet(new Matrix(covariance.map((row) => [...row]))) / covariance.length) - 1
}

/** The strength that supplies so many bits. */
export function strengthOf(bits: number, bitsAt: (strength: number) => number): number {
  const [least, most] = [bitsAt(0), bitsAt(largest)]
  if (!(bits >= least - 1e-9 && bits < most))
    throw new UserError(`prior.bits: must be from ${least.toFixed(2)} to below ${most.toFixed(2)} for these goals, got ${bits}; each goal's sign is one bit at most`) // biome-ignore format: one line
  let [low, high] = [0, largest]
  // By halves of ln(1 + strength), until the votes agree to some 12 digits.
  for (let round = 0; round < 60; round++) {
    const middle = Math.sqrt((1 + low) * (1 + high)) - 1
    if (bitsAt(middle) < bits) low = middle
    else high = middle
  }
  return bits <= least ? 0 : high
}
const largest = 1e6
