import { betaQuantile, normalQuantile } from '../goals/special-functions.ts'

/**
 * The interval for the mean of independent numbers that lie in a known range: Gaffke's bound on each side.
 *
 * The upper end is the upper quantile of Σ wᵢ·yᵢ, where y are the numbers and once the range's upper end, and w are weights drawn evenly
 * from all that sum to 1 (Dirichlet(1, …, 1)): one more observation, the worst there can be, stands for all that was not seen. The lower end
 * is the mirror image. For numbers with two values at the ends of the range, as a share of yes and no, this is Clopper and Pearson's
 * exact interval. It needs no size of sample, no variance and no shape.
 *
 * limits  for two values the risk is proved; for more, that no law whatever exceeds it is Gaffke's conjecture, to which nobody has found
 *         an exception. The quantile for more than two values is a saddlepoint approximation, off by less than 1 % of the tail
 * source  Clopper and Pearson 1934; Gaffke 2005, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
 *         variable; Learned-Miller and Thomas 2019, arXiv:1905.06208; Lugannani and Rice 1980, in Barndorff-Nielsen's form
 */
export function boundedMean(values: readonly number[], [from, to]: readonly [number, number], tail: number): [low: number, high: number] {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const mirrored = new Map([...counts].map(([value, count]) => [-value, count]))
  return [0 - quantile(withOneMore(mirrored, -from), 1 - tail), quantile(withOneMore(counts, to), 1 - tail)]
}

/** How often each value was seen. */
type Counts = ReadonlyMap<number, number>

function withOneMore(counts: Counts, value: number): Counts {
  return new Map(counts).set(value, (counts.get(value) ?? 0) + 1)
}

/** The quantile of the mean of the values under weights that are drawn evenly from all that sum to 1. */
function quantile(counts: Counts, p: number): number {
  const points = [...counts].sort(([a], [b]) => a - b)
  const [[low, few], [high, many]] = [points[0]!, points.at(-1)!]
  if (points.length === 1) return low
  if (points.length === 2) return low + (high - low) * betaQuantile(many, few, p)
  const wanted = normalQuantile(p)
  const total = points.reduce((sum, [, count]) => sum + count, 0)
  const mean = points.reduce((sum, [y, count]) => sum + (count / total) * y, 0)
  // Secants on the normal scale, where the distance is nearly straight, and halves where a secant leaves the bracket.
  let [below, above] = [low, high]
  let [last, lastMiss] = [mean, -wanted]
  let t = (mean + (wanted > 0 ? high : low)) / 2
  for (let step = 0; step < 100 && above - below > 1e-12 * (high - low); step++) {
    const miss = standing(points, t) - wanted
    if (miss < 0) below = t
    else above = t
    if (Math.abs(miss) < 1e-10) return t
    const secant = t - (miss * (t - last)) / (miss - lastMiss)
    ;[last, lastMiss] = [t, miss]
    t = secant > below && secant < above ? secant : (below + above) / 2
  }
  return t
}

/**
 * Where t lies in the law of Σ wᵢyᵢ, as the normal number that has the same probability below it.
 *
 * P(Σ wᵢyᵢ ≤ t) = P(Σ Eᵢ(yᵢ − t) ≤ 0) with independent exponential Eᵢ, whose cumulant function is K(s) = −Σ ln(1 − s(yᵢ − t)). At the s
 * where K′(s) = 0 it is r + ln(u/r)/r, with r = sign(s)·√(−2K) and u = s·√K″.
 */
function standing(points: readonly (readonly [number, number])[], t: number): number {
  const from = 1 / (points[0]![0] - t)
  const to = 1 / (points.at(-1)![0] - t)
  let [below, above, s, curvature] = [from, to, 0, 0]
  for (let step = 0; step < 200; step++) {
    const found = slopes(points, t, s)
    curvature = found.curvature
    if (found.slope > 0) above = s
    else below = s
    const newton = s - found.slope / curvature
    const next = newton > below && newton < above ? newton : (below + above) / 2
    if (Math.abs(next - s) <= 1e-13 * (to - from)) break
    s = next
  }
  let value = 0
  for (const [y, count] of points) value -= count * Math.log1p(-s * (y - t))
  const r = Math.sign(s) * Math.sqrt(Math.max(0, -2 * value))
  // At the mean itself the form is 0/0; the quantiles asked for lie far from it.
  return Math.abs(r) < 1e-5 ? 0 : r + Math.log((s * Math.sqrt(curvature)) / r) / r
}

/** K′ and K″. */
function slopes(points: readonly (readonly [number, number])[], t: number, s: number) {
  let [slope, curvature] = [0, 0]
  for (const [y, count] of points) {
    const rate = (y - t) / (1 - s * (y - t))
    slope += count * rate
    curvature += count * rate * rate
  }
  return { slope, curvature }
}
