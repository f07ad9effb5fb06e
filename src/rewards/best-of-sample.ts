import { UserError } from '../graph/errors.ts'

/**
 * What the best of n has on average, from a sample of N scored completions of one prompt: over all choices of n of them the mean of `value` of
 * the one with the highest score, those of one score sharing. With `value` the scores themselves it is the expected maximum. No estimate that is
 * unbiased varies less.
 *
 * throws  UserError unless n is a whole number from 1 to N and both lists have one length
 * source  a U-statistic, Hoeffding 1948; the weights C(i−1, n−1)/C(N, n) as in Nakano et al. 2021, arXiv:2112.09332, appendix I
 */
export function bestOfSample(scores: readonly number[], n: number, value: readonly number[] = scores): number {
  const { length } = scores
  if (!Number.isInteger(n) || n < 1 || n > length)
    throw new UserError(`best of n: n must be a whole number from 1 to the ${length} completions there are, got ${n}; sample more`)
  if (value.length !== length)
    throw new UserError(`best of n: every score must have its value, got ${value.length} for ${length}; give as many of both`)
  const order = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]!)
  let sum = 0
  // C(i − 1, n − 1) / C(N, n): how often the i-th lowest is the highest of n. The weight of a tie is shared by its members.
  let weight = n / length
  for (let from = 0, i = length; from < length && weight > 0; ) {
    let [to, tied, total] = [from, 0, 0]
    for (; to < length && scores[order[to]!] === scores[order[from]!]; to++, i--) {
      tied += weight
      total += value[order[to]!]!
      weight *= (i - n) / Math.max(1, i - 1)
    }
    sum += (tied * total) / (to - from)
    from = to
  }
  return sum
}
