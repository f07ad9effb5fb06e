import { UserError } from '../graph/errors.ts'

/** Where the gold reward is highest, by a law. */
export interface GoldPeak {
  /** √KL from the reference. units √nat */
  readonly distance: number
  readonly gold: number
}

/** A law of the gold reward over d = √KL from the reference, linear in its two numbers: gold(d) = α·f(d) − β·g(d). */
export interface OverOptimisationLaw {
  readonly name: string
  readonly formula: string
  readonly source: string
  /** f and g. */
  terms(distance: number): readonly [number, number]
  /** Undefined where gold does not fall again: α or β is not above 0. */
  peak(alpha: number, beta: number): GoldPeak | undefined
}

const source = 'V-GAO-1; Gao, Schulman and Hilton 2022, arXiv:2210.10760'

/** Of the best of n: gold = d·(α − β·d). */
export const bestOfNLaw: OverOptimisationLaw = {
  name: 'best of n',
  formula: 'd(α − βd)',
  source,
  terms: (d) => [d, d * d],
  peak: (alpha, beta) => (alpha > 0 && beta > 0 ? { distance: alpha / (2 * beta), gold: alpha ** 2 / (4 * beta) } : undefined),
}

/** Of reinforcement learning: gold = d·(α − β·log d). */
export const policyGradientLaw: OverOptimisationLaw = {
  name: 'policy gradient',
  formula: 'd(α − β log d)',
  source,
  terms: (d) => [d, d === 0 ? 0 : d * Math.log(d)],
  peak(alpha, beta) {
    if (!(beta > 0)) return undefined
    const distance = Math.exp(alpha / beta - 1)
    return { distance, gold: beta * distance }
  },
}

/** A law as it fits points. */
export interface FittedLaw {
  readonly alpha: number
  readonly beta: number
  readonly peak: GoldPeak | undefined
  /** The share of the variance about the mean that the law explains. */
  readonly r2: number
  gold(distance: number): number
}

/**
 * The law that is nearest to points of one curve, by least squares; gold counts from the reference's, so that it is 0 at d = 0. The points of a
 * curve are not independent: an interval comes of several curves, fitted each.
 *
 * throws  UserError with fewer than two distances above 0
 */
export function fitLaw(law: OverOptimisationLaw, points: readonly (readonly [distance: number, gold: number])[]): FittedLaw {
  const rows = points.filter(([d]) => d > 0).map(([d, y]) => [...law.terms(d), y] as const)
  const sum = (of: (row: readonly [number, number, number]) => number) => rows.reduce((all, row) => all + of(row), 0)
  const [ff, fg, gg] = [sum(([f]) => f * f), sum(([f, g]) => f * g), sum(([, g]) => g * g)]
  const [fy, gy] = [sum(([f, , y]) => f * y), sum(([, g, y]) => g * y)]
  const determinant = ff * gg - fg * fg
  if (rows.length < 2 || determinant <= 1e-12 * ff * gg)
    throw new UserError(
      `over-optimisation: a law needs at least 2 distances above 0, got ${new Set(points.map(([d]) => d)).size}; measure more`,
    )
  const alpha = (gg * fy - fg * gy) / determinant
  const beta = (fg * fy - ff * gy) / determinant
  const gold = (d: number) => {
    const [f, g] = law.terms(d)
    return alpha * f - beta * g
  }
  const mean = sum(([, , y]) => y) / rows.length
  const r2 = 1 - sum(([f, g, y]) => (y - alpha * f + beta * g) ** 2) / sum(([, , y]) => (y - mean) ** 2)
  return { alpha, beta, peak: law.peak(alpha, beta), r2, gold }
}
