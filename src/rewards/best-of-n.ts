import { UserError } from '../graph/errors.ts'

/**
 * KL of the best of n from what is drawn from, where no two scores are alike; an upper bound otherwise.
 *
 * units   nats per completion
 * throws  UserError unless n is a whole number from 1 on
 * source  V-BON-1; Beirami et al. 2024, arXiv:2401.01879, who prove that it is a bound
 */
export function bestOfNBound(n: number): number {
  checkN(n)
  return Math.log(n) - (n - 1) / n
}

/**
 * The law of the best of n draws, scored: of completions with one score each has its share of the draws of that score.
 *
 * shape   probabilities and scores of all completions that can be said
 * throws  UserError unless both are of one length and no score is NaN
 * source  V-BON-1; the distribution of a maximum, F(x)ⁿ
 */
export function bestOfN(probabilities: ArrayLike<number>, scores: ArrayLike<number>, n: number): Float64Array {
  checkN(n)
  const order = byScore(scores, probabilities.length)
  const law = new Float64Array(probabilities.length)
  let below = 0
  for (let from = 0; from < order.length; ) {
    let [to, mass] = [from, 0]
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) mass += probabilities[order[to++]!]!
    const upTo = to === order.length ? 1 : below + mass
    const won = upTo ** n - below ** n
    for (; from < to; from++) law[order[from]!] = mass === 0 ? 0 : (won * probabilities[order[from]!]!) / mass
    below = upTo
  }
  return law
}

/**
 * KL(p ‖ q) of two laws over the same completions; 0·log 0 is 0.
 *
 * units   nats
 */
export function klOf(p: ArrayLike<number>, q: ArrayLike<number>): number {
  let kl = 0
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) kl += p[i]! * Math.log(p[i]! / q[i]!)
  return kl
}

/** Places from the lowest score to the highest. */
function byScore(scores: ArrayLike<number>, length: number): Uint32Array {
  if (scores.length !== length)
    throw new UserError(`best of n: every completion must have one score, got ${scores.length} for ${length}; give as many of both`)
  for (let i = 0; i < length; i++)
    if (Number.isNaN(scores[i])) throw new UserError(`best of n: score ${i} must be a number, got NaN; look at what scores it`)
  return Uint32Array.from({ length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]! || a - b)
}

function checkN(n: number) {
  if (!Number.isInteger(n) || n < 1) throw new UserError(`best of n: n must be a whole number from 1 on, got ${n}; 1 takes what is drawn`)
}
