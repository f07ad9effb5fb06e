import { UserError } from '../graph/errors.ts'

/** A smooth convex function: its value and gradient at a place, and what its Hessian there makes of a vector. */
export interface Smooth {
  /** Returns the value, writes the gradient into `slope`, and keeps what `curve` needs of the place. */
  value(at: Float64Array, slope: Float64Array): number
  /** Writes the Hessian, at the place last valued, times v into `into`. */
  curve(v: Float64Array, into: Float64Array): void
}

/**
 * The place where a smooth convex function is smallest: Newton's method, its steps by conjugate gradients, halved until they lower the value.
 *
 * throws  UserError when the gradient is not down to `tolerance` of the first one after so many steps: the function then has no minimum, or
 *         hardly
 * source  Dembo and Steihaug 1983, Truncated-Newton algorithms for large-scale unconstrained optimization
 */
export function minimise(name: string, smooth: Smooth, start: Float64Array, { tolerance = 1e-8, steps = 200 } = {}): Float64Array {
  let [at, slope] = [start.slice(), new Float64Array(start.length)]
  let value = smooth.value(at, slope)
  const first = norm(slope)
  for (let i = 0; i < steps; i++) {
    const size = norm(slope)
    if (size <= tolerance * first || size < 1e-12) return at
    const down = newtonStep(smooth, slope, Math.min(0.1, Math.sqrt(size / first)) * size)
    const along = dot(down, slope)
    const next = new Float64Array(at.length)
    const there = new Float64Array(at.length)
    let found = Number.POSITIVE_INFINITY
    for (let halved = 0, step = 1; halved < 50; halved++, step /= 2) {
      for (let k = 0; k < at.length; k++) next[k] = at[k]! + step * down[k]!
      found = smooth.value(next, there)
      if (found <= value + 1e-4 * step * along) break
    }
    // Rounding alone is left: no step lowers the value any more.
    if (!(found < value)) return at
    ;[at, slope, value] = [next, there, found]
  }
  throw new UserError(
    `${name}: must come to a minimum in ${steps} steps, got a gradient of ${norm(slope).toExponential(1)}; it has none, or hardly`,
  )
}

/** −H⁻¹ times the gradient, until the residual is as small as asked for. */
function newtonStep({ curve }: Smooth, slope: Float64Array, enough: number): Float64Array {
  const n = slope.length
  const [x, r, curved] = [new Float64Array(n), slope.map((v) => -v), new Float64Array(n)]
  const p = r.slice()
  let square = dot(r, r)
  for (let i = 0; i < 10 * n && Math.sqrt(square) > enough; i++) {
    curve(p, curved)
    const bend = dot(p, curved)
    // A direction in which nothing bends: what was found so far is a step, or the gradient is.
    if (!(bend > 1e-300)) return i === 0 ? r : x
    const share = square / bend
    for (let k = 0; k < n; k++) {
      x[k]! += share * p[k]!
      r[k]! -= share * curved[k]!
    }
    const before = square
    square = dot(r, r)
    for (let k = 0; k < n; k++) p[k] = r[k]! + (square / before) * p[k]!
  }
  return x
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!
  return sum
}

function norm(x: Float64Array): number {
  return Math.sqrt(dot(x, x))
}
