import { random } from '../../random/index.ts'
import type { Site } from './sites.ts'

/** A change of each site, flat, by its name. */
export type Changes = Readonly<Record<string, Float64Array>>

/** What numbers an edit is made of: the changes they come to, and what a gradient of the changes is for them. */
export interface EditForm {
  /** Named arrays that are searched. */
  readonly parts: Readonly<Record<string, Float64Array>>
  /** How far one step moves a part at most, as a length. */
  readonly reach: Readonly<Record<string, number>>
  changes(): Changes
  pull(slopes: Changes): Readonly<Record<string, Float64Array>>
  /** Whether each entry has a scale of its own in Adam, as it is where no proximal step needs one metric for a group. */
  readonly byEntry?: boolean
  /** Called after every step. */
  settle?(): void
}

/** Share of a site's own size that one step moves. */
const reachShare = 0.05

/** Every number of every site. */
export function wholeForm(sites: readonly Site[], start: Changes = {}): EditForm {
  const parts = Object.fromEntries(sites.map(({ name, numbers }) => [name, start[name]?.slice() ?? new Float64Array(numbers)]))
  return {
    parts,
    reach: Object.fromEntries(sites.map(({ name, size }) => [name, reachShare * size])),
    changes: () => parts,
    pull: (slopes) => slopes,
  }
}

/** Two factors of a site's change: up · down, up f64[m, rank], down f64[rank, n]. */
export interface SiteFactors {
  readonly up: Float64Array
  readonly down: Float64Array
  readonly rank: number
}

/** A change of a rank at each site, as up · down; rows of down keep length 1, so that up holds the size. */
export function factorForm(sites: readonly Site[], factors: Readonly<Record<string, SiteFactors>>): EditForm {
  const parts: Record<string, Float64Array> = {}
  const reach: Record<string, number> = {}
  for (const { name, size } of sites) {
    parts[`${name}.up`] = factors[name]!.up.slice()
    parts[`${name}.down`] = factors[name]!.down.slice()
    reach[`${name}.up`] = 2 * reachShare * size
    reach[`${name}.down`] = 2 * reachShare
  }
  const each = <T>(make: (site: Site, up: Float64Array, down: Float64Array, rank: number) => T): [string, T][] =>
    sites.map((site) => [site.name, make(site, parts[`${site.name}.up`]!, parts[`${site.name}.down`]!, factors[site.name]!.rank)])
  return {
    parts,
    reach,
    byEntry: true,
    changes: () => Object.fromEntries(each(({ shape: [m, n] }, up, down, rank) => product(up, down, m!, rank, n!))),
    pull(slopes) {
      const pulled: Record<string, Float64Array> = {}
      each(({ name, shape: [m, n] }, up, down, rank) => {
        pulled[`${name}.up`] = product(slopes[name]!, transposed(down, rank, n!), m!, n!, rank)
        pulled[`${name}.down`] = product(transposed(up, m!, rank), slopes[name]!, rank, m!, n!)
      })
      return pulled
    },
    settle() {
      each(({ shape: [m, n] }, up, down, rank) => {
        for (let k = 0; k < rank; k++) {
          const length = norm(down.subarray(k * n!, (k + 1) * n!))
          if (length === 0) continue
          for (let j = 0; j < n!; j++) down[k * n! + j]! /= length
          for (let i = 0; i < m!; i++) up[i * rank + k]! *= length
        }
      })
    },
  }
}

/** What the factors of a form are now. */
export function factorsOf(sites: readonly Site[], { parts }: EditForm): Record<string, SiteFactors> {
  return Object.fromEntries(
    sites.map(({ name, shape: [m] }) => {
      const [up, down] = [parts[`${name}.up`]!, parts[`${name}.down`]!]
      return [name, { up, down, rank: up.length / m! }]
    }),
  )
}

/**
 * Factors to begin with, which change nothing yet, or more of them beside ones that were found: rows of down are what the slope reads most, with a tenth of chance.
 *
 * source  the largest singular vectors by subspace iteration
 */
export function startFactors(site: Site, slope: Float64Array, rank: number, seed: number, found?: SiteFactors): SiteFactors {
  const [m, n] = site.shape as [number, number]
  const [up, down] = [new Float64Array(m * rank), new Float64Array(rank * n)]
  const before = found?.rank ?? 0
  for (let k = 0; k < before; k++) {
    down.set(found!.down.subarray(k * n, (k + 1) * n), k * n)
    for (let i = 0; i < m; i++) up[i * rank + k] = found!.up[i * before + k]!
  }
  for (let k = before; k < rank; k++) {
    let row: Float64Array = Float64Array.from(random(seed, `search/${site.name}/${k}`).normals(n))
    for (let round = 0; round < 12; round++) {
      for (let other = before; other < k; other++) takeOut(row, down.subarray(other * n, (other + 1) * n))
      const read = product(slope, row, m, n, 1)
      const next = product(read, slope, 1, m, n)
      if (norm(next) === 0) break
      row = atLengthOne(next)
    }
    const chance = atLengthOne(Float64Array.from(random(seed, `search/${site.name}/${k}/chance`).normals(n)))
    down.set(atLengthOne(row.map((x, j) => x + 0.1 * chance[j]!)), k * n)
  }
  return { up, down, rank }
}

/** f64[m, k] · f64[k, n] */
export function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let l = 0; l < k; l++) {
      const x = a[i * k + l]!
      if (x !== 0) for (let j = 0; j < n; j++) out[i * n + j]! += x * b[l * n + j]!
    }
  return out
}

function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(a.length)
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = a[i * n + j]!
  return out
}

function takeOut(row: Float64Array, along: Float64Array): void {
  let dot = 0
  for (let j = 0; j < row.length; j++) dot += row[j]! * along[j]!
  for (let j = 0; j < row.length; j++) row[j]! -= dot * along[j]!
}

function atLengthOne(x: Float64Array): Float64Array {
  const length = norm(x)
  return length === 0 ? x : x.map((v) => v / length)
}

/** The length of one array, or of several together. */
export function norm(...arrays: readonly Float64Array[]): number {
  let square = 0
  for (const array of arrays) for (let i = 0; i < array.length; i++) square += array[i]! * array[i]!
  return Math.sqrt(square)
}
