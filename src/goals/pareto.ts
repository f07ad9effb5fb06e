/**
 * The shape k̂ of the tail of importance weights: below ½ their mean settles fast, above 0.7 no number of draws that one can take settles it.
 *
 * units   weights by their logs
 * limits  needs some 25 weights
 * source  Vehtari et al. 2024, Pareto smoothed importance sampling; Zhang & Stephens 2009 for the estimate
 */
export function paretoK(logWeights: ArrayLike<number>): number {
  const sorted = Float64Array.from(logWeights).sort()
  const n = sorted.length
  const tail = Math.floor(Math.min(0.2 * n, 3 * Math.sqrt(n)))
  const top = sorted[n - 1]!
  const cut = Math.exp(sorted[n - tail - 1]! - top)
  const over = sorted.slice(n - tail).map((log) => Math.exp(log - top) - cut)
  if (!(over[tail - 1]! > 1e-12)) return Number.NEGATIVE_INFINITY
  return generalizedPareto(over.map((x) => Math.max(x, 1e-300)))
}

/** The shape of a generalized Pareto distribution from a sorted sample, drawn a little to ½ where there are few. */
function generalizedPareto(x: Float64Array): number {
  const n = x.length
  const m = 30 + Math.floor(Math.sqrt(n))
  const quartile = x[Math.floor(n / 4 + 0.5) - 1]!
  const thetas = Array.from({ length: m }, (_, j) => 1 / x[n - 1]! + (1 - Math.sqrt(m / (j + 0.5))) / (3 * quartile))
  const shape = (theta: number) => x.reduce((sum, value) => sum + Math.log1p(-theta * value), 0) / n
  const logs = thetas.map((theta) => {
    const k = shape(theta)
    return n * (Math.log(-theta / k) - k - 1)
  })
  const best = Math.max(...logs)
  const weights = logs.map((log) => Math.exp(log - best))
  const total = weights.reduce((a, b) => a + b)
  const theta = thetas.reduce((sum, value, j) => sum + (value * weights[j]!) / total, 0)
  return (shape(theta) * n + 0.5 * 10) / (n + 10)
}
