/** A smooth function at a place: its value and slope. */
export type Smooth = (at: Float64Array) => Promise<{ readonly value: number; readonly slope: Float64Array }>

/** A descent that can be continued. */
export interface Lbfgs {
  readonly at: Float64Array
  readonly value: number
  /** Goes one step down; false where none was found any more. */
  step(): Promise<boolean>
}

/** Steps whose bends are remembered. */
const memory = 30
/** Share of the place's length that the first step moves. */
const firstStep = 0.05
/** A step must bring this share of what its slope promises; where it does not, it is shortened, but not for ever. */
const [promised, shorter, shortest] = [1e-4, 0.4, 1e-5]

/**
 * Descends a smooth function from a place that is not 0 by the limited-memory BFGS method, each step shortened until it lowers the value.
 *
 * source  Liu and Nocedal 1989, On the limited memory BFGS method for large scale optimization
 */
export async function lbfgs(smooth: Smooth, start: Float64Array): Promise<Lbfgs> {
  let at = start
  let { value, slope } = await smooth(at)
  let bends: Bend[] = []
  const descent: Lbfgs = {
    get at() {
      return at
    },
    get value() {
      return value
    },
    async step() {
      let way = bends.length > 0 ? newtonLike(slope, bends) : slope.map((x) => (-firstStep * (norm(at) || 1) * x) / (norm(slope) || 1))
      // What was remembered of far places can point up.
      if (!(dot(way, slope) < 0)) {
        bends = []
        way = slope.map((x) => (-firstStep * (norm(at) || 1) * x) / (norm(slope) || 1))
      }
      const along = dot(way, slope)
      if (!(along < 0)) return false
      for (let by = 1; by >= shortest; by *= shorter) {
        const next = at.map((x, i) => x + by * way[i]!)
        const there = await smooth(next)
        if (!(there.value <= value + promised * by * along)) continue
        const [s, y] = [next.map((x, i) => x - at[i]!), there.slope.map((x, i) => x - slope[i]!)]
        if (dot(s, y) > 1e-12 * norm(s) * norm(y)) bends = [...bends.slice(1 - memory), { s, y }]
        at = next
        ;({ value, slope } = there)
        return true
      }
      if (bends.length === 0) return false
      bends = []
      return descent.step()
    },
  }
  return descent
}

interface Bend {
  readonly s: Float64Array
  readonly y: Float64Array
}

/** −H⁻¹ times the slope, as far as the bends know it. */
function newtonLike(slope: Float64Array, bends: readonly Bend[]): Float64Array {
  const way = slope.map((x) => -x)
  const shares: number[] = []
  for (const { s, y } of bends.toReversed()) {
    const share = dot(s, way) / dot(s, y)
    shares.unshift(share)
    for (let i = 0; i < way.length; i++) way[i]! -= share * y[i]!
  }
  const last = bends.at(-1)!
  const scale = dot(last.s, last.y) / dot(last.y, last.y)
  for (let i = 0; i < way.length; i++) way[i]! *= scale
  for (const [k, { s, y }] of bends.entries()) {
    const share = shares[k]! - dot(y, way) / dot(s, y)
    for (let i = 0; i < way.length; i++) way[i]! += share * s[i]!
  }
  return way
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function norm(x: Float64Array): number {
  return Math.sqrt(dot(x, x))
}
