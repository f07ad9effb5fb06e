import { random } from '../random/index.ts'

/** A vector of all parameters, one after the other; f64, whatever they are computed in. */
export type Vector = Float64Array

/** Σ aᵢbᵢ. */
export function dot(a: Vector, b: Vector): number {
  // Four sums at once: one alone waits for each addition.
  let [p, q, r, s] = [0, 0, 0, 0]
  const even = a.length - (a.length % 4)
  for (let i = 0; i < even; i += 4) {
    p += a[i]! * b[i]!
    q += a[i + 1]! * b[i + 1]!
    r += a[i + 2]! * b[i + 2]!
    s += a[i + 3]! * b[i + 3]!
  }
  for (let i = even; i < a.length; i++) p += a[i]! * b[i]!
  return p + q + (r + s)
}

/** √Σ aᵢ². */
export function norm(a: Vector): number {
  return Math.sqrt(dot(a, a))
}

/** a += s·b, in place. */
export function addScaled(a: Vector, s: number, b: Vector): Vector {
  for (let i = 0; i < a.length; i++) a[i]! += s * b[i]!
  return a
}

/** s·a, anew. */
export function scaled(s: number, a: Vector): Vector {
  const made = new Float64Array(a.length)
  for (let i = 0; i < a.length; i++) made[i] = s * a[i]!
  return made
}

/** a ← s·a, in place. */
export function scaleBy(s: number, a: Vector): Vector {
  for (let i = 0; i < a.length; i++) a[i]! *= s
  return a
}

/** A direction drawn uniformly: normal numbers, brought to length 1. */
export function randomDirection(size: number, seed: number, name: string): Vector {
  const drawn = random(seed, name).normals(size)
  return scaled(1 / norm(drawn), drawn)
}

/** Signs, each +1 or −1 with one half (Rademacher). */
export function randomSigns(size: number, seed: number, name: string): Vector {
  return Float64Array.from(random(seed, name).integers(size, 2), (bit) => 2 * bit - 1)
}

/**
 * How many entries of a vector matter, (Σv²)²/Σv⁴: 1 for one entry alone, n for n equal ones.
 *
 * source  Bell and Dean 1970, Discussions of the Faraday Society 50:55
 */
export function participation(v: Vector): number {
  let [squares, fourths] = [0, 0]
  for (const x of v) {
    squares += x * x
    fourths += x ** 4
  }
  return squares ** 2 / fourths
}
