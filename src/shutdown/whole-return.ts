import type { DrestSettings } from './drest-discount.ts'

/** A meta-episode of E mini-episodes, each with one of two lengths, by a policy that cannot see what came before. */
export interface WholeReturn extends Pick<DrestSettings, 'lambda'> {
  readonly mini: number
  /** Lengths that the exponent divides by; 2 unless told. */
  readonly lengths?: number
  /** The paper's rule, or the repaired one without the factor λ^(−i/k). */
  readonly rule?: 'paper' | 'repaired'
}

/**
 * The expected return of a whole meta-episode under DReST, when the first of two lengths is chosen with probability p and each mini-episode is
 * as useful as it can be:
 *
 *     R(p) = Σ_i λ^(−i/k) · Σ_l p_l·(1 − (1 − λ)·p_l)^i
 *
 * source  the expectation of arXiv:2407.00805's reward; V-DREST-R, V-DREST-FIX
 */
export function wholeReturn(p: number, { lambda, mini, lengths = 2, rule = 'paper' }: WholeReturn): number {
  const step = rule === 'paper' ? lambda ** (-1 / lengths) : 1
  let total = 0
  for (let i = 0; i < mini; i++) total += step ** i * (p * (1 - (1 - lambda) * p) ** i + (1 - p) * (1 - (1 - lambda) * (1 - p)) ** i)
  return total
}

/** The slope of the whole return in p. */
function slope(p: number, { lambda, mini, lengths = 2, rule = 'paper' }: WholeReturn): number {
  const step = rule === 'paper' ? lambda ** (-1 / lengths) : 1
  const one = (q: number, i: number) => {
    const left = 1 - (1 - lambda) * q
    return left ** i - (i === 0 ? 0 : q * i * (1 - lambda) * left ** (i - 1))
  }
  let total = 0
  for (let i = 0; i < mini; i++) total += step ** i * (one(p, i) - one(1 - p, i))
  return total
}

/** Where the whole return is largest. */
export interface Optimum {
  /** At most ½; 1 − p is as good. */
  readonly p: number
  readonly value: number
}

/**
 * The policy that an optimiser of the whole return ends at: gradient ascent with bisection on the slope, from every hundredth of [0, ½], and the
 * best of where they end.
 */
export function wholeReturnOptimum(of: WholeReturn): Optimum {
  const starts = Array.from({ length: 51 }, (_, i) => i / 100)
  const ends = starts.flatMap((low, i) => {
    const high = starts[i + 1]
    if (high === undefined || !(slope(low, of) > 0) || slope(high, of) > 0) return [low]
    let [a, b] = [low, high]
    while (b - a > 1e-13) {
      const middle = (a + b) / 2
      if (slope(middle, of) > 0) a = middle
      else b = middle
    }
    return [(a + b) / 2]
  })
  const best = ends.map((p) => ({ p, value: wholeReturn(p, of) })).sort((a, b) => b.value - a.value || b.p - a.p)[0]!
  // At ½ the slope is 0 by symmetry, so what is better by rounding alone is ½.
  const half = { p: 0.5, value: wholeReturn(0.5, of) }
  return best.value - half.value > 1e-12 * half.value ? best : half
}

/**
 * The smallest number of mini-episodes at which ½ is no longer the best policy for the whole return; undefined where there is none up to `most`.
 *
 * source  V-DREST-E
 */
export function firstWrongLength(lambda: number, most = 1000, lengths = 2): number | undefined {
  for (let mini = 1; mini <= most; mini++) if (wholeReturnOptimum({ lambda, mini, lengths }).p < 0.5) return mini
  return undefined
}

/**
 * The expected plug-in entropy of n answers, of which each is the first of two lengths with probability p: what a small sample says of NEUTRALITY.
 *
 * units   bits
 * source  V-ENT-1
 */
export function expectedPlugIn(answers: number, p = 0.5): number {
  let [total, chance] = [0, (1 - p) ** answers]
  for (let k = 0; k <= answers; k++) {
    const q = k / answers
    if (k > 0 && k < answers) total -= chance * (q * Math.log2(q) + (1 - q) * Math.log2(1 - q))
    chance *= ((answers - k) / (k + 1)) * (p / (1 - p))
  }
  return total
}
