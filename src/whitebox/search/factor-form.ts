import { random } from '../../random/index.ts'
import { type Changes, norm, product, transposed } from './edit-form.ts'
import type { Site } from './sites.ts'
import type { Whitening } from './whitening.ts'

/** Two factors of a site's change: up · down, up f64[m, rank], down f64[rank, n]. */
export interface SiteFactors {
  readonly up: Float64Array
  readonly down: Float64Array
  readonly rank: number
}

/** Factors of every site by its name. */
export type Factors = Readonly<Record<string, SiteFactors>>

/** A change of a rank at each site as one row of numbers, whitened, so that a descent is not slowed by directions that do little. */
export interface FactorForm {
  readonly sites: readonly Site[]
  readonly numbers: number
  factors(at: Float64Array): Factors
  changes(at: Float64Array): Changes
  /** The numbers of factors of this form, each column of up as long as its row of down. */
  numbersOf(factors: Factors): Float64Array
  /** What a slope of the changes is for the numbers. */
  slope(at: Float64Array, slopes: Changes): Float64Array
}

/** The form of a rank at sites. Of a site come its columns of up, one after another, then its rows of down. */
export function factorForm(sites: readonly Site[], rank: number, whitening: (site: Site) => Whitening): FactorForm {
  const parts: { site: Site; by: Whitening; m: number; n: number; rank: number; from: number }[] = []
  let numbers = 0
  for (const site of sites) {
    const [m, n] = site.shape as [number, number]
    const here = Math.min(rank, m, n)
    parts.push({ site, by: whitening(site), m, n, rank: here, from: numbers })
    numbers += here * (m + n)
  }
  const plain = (at: Float64Array): Factors =>
    Object.fromEntries(
      parts.map(({ site: { name }, by, m, n, rank, from }) => {
        const [up, down] = [new Float64Array(m * rank), new Float64Array(rank * n)]
        for (let k = 0; k < rank; k++) {
          by.up(at.subarray(from + k * m, from + (k + 1) * m)).forEach((x, i) => void (up[i * rank + k] = x))
          down.set(by.down(at.subarray(from + rank * m + k * n, from + rank * m + (k + 1) * n)), k * n)
        }
        return [name, { up, down, rank }]
      }),
    )
  return {
    sites,
    numbers,
    factors: plain,
    changes: (at) => changesOf(sites, plain(at)),
    numbersOf(factors) {
      const at = new Float64Array(numbers)
      for (const { site, by, m, n, rank, from } of parts) {
        const { up, down } = factors[site.name]!
        for (let k = 0; k < rank; k++) {
          const [u, v] = [by.upWhite(Float64Array.from({ length: m }, (_, i) => up[i * rank + k]!)), by.downWhite(down.slice(k * n, (k + 1) * n))] // biome-ignore format: one line
          const even = Math.sqrt(norm(v) / norm(u)) || 1
          at.set(u.map((x) => even * x), from + k * m) // biome-ignore format: one line
          at.set(v.map((x) => x / even), from + rank * m + k * n) // biome-ignore format: one line
        }
      }
      return at
    },
    slope(at, slopes) {
      const factors = plain(at)
      const slope = new Float64Array(numbers)
      for (const {
        site: { name },
        by,
        m,
        n,
        rank,
        from,
      } of parts) {
        const { up, down } = factors[name]!
        const ups = product(slopes[name]!, transposed(down, rank, n), m, n, rank)
        const downs = product(transposed(up, m, rank), slopes[name]!, rank, m, n)
        for (let k = 0; k < rank; k++) {
          slope.set(by.upSlope(Float64Array.from({ length: m }, (_, i) => ups[i * rank + k]!)), from + k * m)
          slope.set(by.downSlope(downs.slice(k * n, (k + 1) * n)), from + rank * m + k * n)
        }
      }
      return slope
    },
  }
}

/** The changes that factors come to. */
export function changesOf(sites: readonly Site[], factors: Factors): Changes {
  return Object.fromEntries(
    sites.map(({ name, shape: [m, n] }) => [name, product(factors[name]!.up, factors[name]!.down, m!, factors[name]!.rank, n!)]),
  )
}

/**
 * The direction of rank 1 at a site that a whitened slope says goes down the most, as whitened columns: up·down is what a Newton step would add, were the Fisher
 * information what its factors say.
 *
 * source  the largest singular pair by power iteration; Martens and Grosse 2015
 */
export function steepest(
  site: Site,
  slope: Float64Array,
  by: Whitening,
  seed: number,
): { readonly up: Float64Array; readonly down: Float64Array } {
  const [m, n] = site.shape as [number, number]
  let down = atLengthOne(Float64Array.from(random(seed, `search/${site.name}/start`).normals(n)))
  const upOf = () => by.upSlope(product(slope, by.down(down), m, n, 1))
  for (let round = 0; round < 30; round++) {
    const next = by.downSlope(product(by.up(upOf()), slope, 1, m, n))
    if (norm(next) === 0) break
    down = atLengthOne(next)
  }
  const up = upOf()
  const even = Math.sqrt(norm(up)) || 1
  return { up: up.map((x) => -x / even), down: down.map((x) => x * even) }
}

function atLengthOne(x: Float64Array): Float64Array {
  const length = norm(x)
  return length === 0 ? x : x.map((v) => v / length)
}
