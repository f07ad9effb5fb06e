import { quantileSorted } from 'simple-statistics'
import { normalCdf, normalQuantile } from '../goals/special-functions.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'

/** How an interval is drawn; the same seed gives the same interval. */
export interface Resampling {
  readonly seed?: number
  readonly resamples?: number
  /** Share of the mass inside. */
  readonly level?: number
}

/**
 * A statistic of prompts with its interval: whole prompts are drawn anew with all their completions, because completions of
 * one prompt are not independent. Bias-corrected and accelerated (BCa), which follows the skew of measures such as KL.
 *
 * throws  UserError with fewer than two prompts, or when the statistic is not a number
 * limits  below about 20 prompts every bootstrap is somewhat too narrow
 * source  Efron 1987, Better Bootstrap Confidence Intervals; Field and Welsh 2007 on resampling clusters
 */
export function bootstrap<T>(
  name: string,
  prompts: readonly T[],
  statistic: (prompts: readonly T[]) => number,
  unit: string,
  { seed = 0, resamples = 2000, level = 0.95 }: Resampling = {},
): Estimate {
  const n = prompts.length
  if (n < 2) throw new UserError(`${name}: an interval needs at least 2 prompts, got ${n}; give more held-out prompts`)
  const estimate = statistic(prompts)
  if (!Number.isFinite(estimate)) throw new UserError(`${name}: every measured number must be finite, got an estimate of ${estimate}`)

  const random = mulberry32(seed)
  const pick = new Array<T>(n)
  const draws = new Float64Array(resamples)
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) pick[i] = prompts[Math.floor(random() * n)]!
    draws[r] = statistic(pick)
  }
  draws.sort()
  const sorted = Array.from(draws)
  const at = adjusted(estimate, draws, jackknife(prompts, statistic))
  const tail = (1 - level) / 2
  return { estimate, low: quantileSorted(sorted, at(tail)), high: quantileSorted(sorted, at(1 - tail)), n, unit }
}

/** Where to read the sorted draws so that bias and skew are corrected for; the plain percentile when there is neither. */
function adjusted(estimate: number, draws: Float64Array, leftOut: readonly number[]): (p: number) => number {
  let below = 0
  for (const draw of draws) below += draw < estimate ? 1 : draw === estimate ? 0.5 : 0
  if (below === 0 || below === draws.length) return (p) => p
  const bias = normalQuantile(below / draws.length)
  const centre = leftOut.reduce((sum, x) => sum + x, 0) / leftOut.length
  const square = leftOut.reduce((sum, x) => sum + (centre - x) ** 2, 0)
  const cube = leftOut.reduce((sum, x) => sum + (centre - x) ** 3, 0)
  const acceleration = square ** 1.5 > 0 ? cube / (6 * square ** 1.5) : 0
  return (p) => {
    const z = bias + normalQuantile(p)
    return normalCdf(bias + z / (1 - acceleration * z))
  }
}

/** The statistic with each prompt left out in turn. */
function jackknife<T>(prompts: readonly T[], statistic: (prompts: readonly T[]) => number): number[] {
  const rest = prompts.slice(1)
  return prompts.map((_, i) => {
    if (i > 0) rest[i - 1] = prompts[i - 1]!
    return statistic(rest)
  })
}

/** Uniform numbers in [0, 1), 32 bits of state: enough for resampling, not for anything secret. */
function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
