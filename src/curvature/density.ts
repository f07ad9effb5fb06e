import { UserError } from '../graph/index.ts'
import { exactly, type Table } from '../runs/index.ts'
import { lanczos } from './lanczos.ts'
import type { Operator } from './operator.ts'
import type { Vector } from './vector.ts'

export interface DensityOptions {
  /** Products of each repeat. Default 30. */
  readonly steps?: number
  /** Starts to average over. Default 1. */
  readonly repeats?: number
  readonly seed?: number
  /** Numbers on the axis. Default 1024. */
  readonly points?: number
  /** Width of the bumps: over the distance of neighbouring nodes, were they even, a bump falls to a share of 1/kappa. Default 3. */
  readonly kappa?: number
  /** What is left free at both ends, as a share of the spectrum's width. Default 0.05. */
  readonly margin?: number
  /** The smallest and the largest eigenvalue; default: the extreme Ritz values of all repeats. */
  readonly boundaries?: readonly [number, number]
  /** Where every repeat starts; default: a direction drawn for each by the seed. */
  readonly start?: Vector
}

/** The share of eigenvalues near each number. */
export interface Density {
  /** Places on the axis of eigenvalues. */
  readonly grid: readonly number[]
  /** The density there; its integral is 1 but for what the bumps have beyond the ends. */
  readonly density: readonly number[]
  readonly boundaries: readonly [number, number]
  readonly products: number
}

/**
 * The density of the eigenvalues by stochastic Lanczos quadrature: Ritz values as nodes, squared first components as weights, a Gaussian bump
 * on each.
 *
 * units   per unit of an eigenvalue
 * limits  shows where most eigenvalues lie, not each: one of n has a weight of about 1/n
 * source  Papyan 2020, JMLR 21(252), algorithm 2; Ghorbani et al. 2019, arXiv:1901.10159
 */
export async function density(of: Operator, options: DensityOptions = {}): Promise<Density> {
  const { steps = 30, repeats = 1, seed = 0, points = 1024, kappa = 3, margin = 0.05 } = options
  if (!(kappa > 1)) throw new UserError(`density: kappa must be above 1, got ${kappa}; 3 is usual`)
  const found = []
  for (let i = 0; i < repeats; i++)
    found.push(await lanczos(of, { steps, seed: seed + i, ...(options.start ? { start: options.start } : {}) }))
  const all = found.flatMap(({ values }) => values)
  const boundaries = options.boundaries ?? ([Math.min(...all), Math.max(...all)] as const)
  const width = boundaries[1] - boundaries[0] || 1
  const [low, high] = [boundaries[0] - margin * width, boundaries[1] + margin * width]
  const [middle, half] = [(low + high) / 2, (high - low) / 2]
  const places = Array.from({ length: points }, (_, i) => -1 + (2 * i) / (points - 1))
  const sums = new Float64Array(points)
  for (const { values, weights } of found) {
    const sigma = 2 / Math.max(1, values.length - 1) / Math.sqrt(8 * Math.log(kappa))
    for (const [k, value] of values.entries())
      places.forEach((x, i) => {
        const z = (x - (value - middle) / half) / sigma
        sums[i]! += (weights[k]! / half / repeats) * (Math.exp((-z * z) / 2) / (sigma * Math.sqrt(2 * Math.PI)))
      })
  }
  const products = found.reduce((sum, one) => sum + one.products, 0)
  return { grid: places.map((x) => middle + half * x), density: [...sums], boundaries, products }
}

/**
 * A density as a table, which `plot(table, 'lines', { title, x: 'eigenvalue' })` draws; `log10` shows the few large eigenvalues beside the many small
 * ones, down to a millionth of a millionth.
 */
export function densityTable({ grid, density }: Density, scale: 'linear' | 'log10' = 'linear'): Table {
  const shown = (x: number) => (scale === 'linear' ? x : Math.log10(Math.max(x, 1e-12)))
  return { about: 'how eigenvalues are spread', rows: grid.map((eigenvalue, i) => exactly('density', shown(density[i]!), { eigenvalue })) }
}
