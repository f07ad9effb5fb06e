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
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!)
  let sum = 0
  // The weight of a whole tie is the sum of its places' weights, so each member has their mean.
  for (let from = 0; from < length; ) {
    let [to, weight, total] = [from, 0, 0]
    for (; to < length && scores[order[to]!] === scores[order[from]!]; to++) {
      weight += placeWeight(to + 1, n, length)
      total += value[order[to]!]!
    }
    sum += (weight * total) / (to - from)
    from = to
  }
  return sum
}

/** C(i − 1, n − 1) / C(N, n): how often the i-th lowest is the highest of n. */
function placeWeight(i: number, n: number, total: number): number {
  if (i < n) return 0
  // n/N · Π (i − k)/(N − k), k = 1 … n − 1
  let weight = n / total
  for (let k = 1; k < n; k++) weight *= (i - k) / (total - k)
  return weight
}
