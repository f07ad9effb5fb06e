import { normalQuantile } from './special-functions.ts'

/** How well chains of draws agree, and how many independent draws they are worth, of the worst weight. */
export interface Agreement {
  readonly rHat: number
  readonly effectiveDraws: number
}

/**
 * Split R̂ and the effective number of draws, of rank-normalized draws and of how far they are from the middle, the worst over weights.
 *
 * shape   chains of equal length of draws of d weights
 * source  Vehtari et al. 2021, Rank-normalization, folding, and localization; Geyer 1992 (initial monotone sequence)
 */
export function agreementOf(chains: readonly (readonly ArrayLike<number>[])[]): Agreement {
  const d = chains[0]![0]!.length
  const each = Array.from({ length: d }, (_, k) => {
    const halves = chains.flatMap((chain) => {
      const half = Math.floor(chain.length / 2)
      return [chain.slice(0, half), chain.slice(chain.length - half)].map((part) => part.map((draw) => draw[k]!))
    })
    const both = [halves, folded(halves)].map(rankNormalized)
    return { rHat: Math.max(...both.map(rHat)), effectiveDraws: Math.min(...both.map(effective)) }
  })
  return {
    rHat: Math.max(...each.map(({ rHat }) => rHat)),
    effectiveDraws: Math.min(...each.map(({ effectiveDraws }) => effectiveDraws)),
  }
}

/** How far each draw is from the middle one: spread, where draws are place. */
function folded(chains: readonly (readonly number[])[]): number[][] {
  const sorted = chains.flat().sort((a, b) => a - b)
  const median = sorted[sorted.length >> 1]!
  return chains.map((chain) => chain.map((value) => Math.abs(value - median)))
}

function rankNormalized(chains: readonly (readonly number[])[]): number[][] {
  const all = chains.flatMap((chain, c) => chain.map((value, i) => ({ value, c, i }))).sort((a, b) => a.value - b.value)
  const normal = chains.map((chain) => chain.map(() => 0))
  for (const [rank, { c, i }] of all.entries()) normal[c]![i] = normalQuantile((rank + 1 - 3 / 8) / (all.length + 1 / 4))
  return normal
}

/** √(the variance of all draws over that within chains). source  Gelman & Rubin 1992 */
export function rHat(chains: readonly (readonly number[])[]): number {
  const { within, pooled } = variances(chains)
  return Math.sqrt(pooled / within)
}

/** How many independent draws have the variance of these chains' mean. */
export function effective(chains: readonly (readonly number[])[]): number {
  const n = chains[0]!.length
  const { within, pooled, means } = variances(chains)
  const correlation = (lag: number) => {
    const covariance = chains.map((chain, c) => {
      let sum = 0
      for (let i = lag; i < n; i++) sum += (chain[i]! - means[c]!) * (chain[i - lag]! - means[c]!)
      return sum / n
    })
    return 1 - (within - average(covariance)) / pooled
  }
  let [total, last] = [-1, Number.POSITIVE_INFINITY]
  for (let lag = 0; lag + 1 < n; lag += 2) {
    const pair = Math.min(correlation(lag) + correlation(lag + 1), last)
    if (pair <= 0) break
    total += 2 * pair
    last = pair
  }
  return (chains.length * n) / Math.max(total, 1 / Math.log10(chains.length * n))
}

function variances(chains: readonly (readonly number[])[]) {
  const n = chains[0]!.length
  const means = chains.map(average)
  const within = average(chains.map((chain, c) => chain.reduce((sum, x) => sum + (x - means[c]!) ** 2, 0) / (n - 1)))
  const middle = average(means)
  const between = means.reduce((sum, m) => sum + (m - middle) ** 2, 0) / (means.length - 1)
  return { means, within, pooled: (within * (n - 1)) / n + between }
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}
