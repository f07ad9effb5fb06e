import { stream } from '../stream.ts'
import { type Landscape, lossAndGradient } from './landscape.ts'

/** How a landscape is gone down; everything left out is as in the published toy. */
export interface Descent {
  readonly steps: number
  readonly seed: number
  /** The norm of the noise, in steps. */
  readonly noise?: number
  readonly update?: 'normalised' | 'plain' | 'momentum' | 'adam'
  /** x stays where it was drawn, and x₀ alone moves. */
  readonly frozen?: boolean
  /** Each splotch is multiplied with a coordinate that is drawn anew at each step. */
  readonly shuffled?: boolean
  /** Ends once it has stalled. */
  readonly untilStall?: boolean
  readonly watch?: (step: number, x0: number) => void
}

/** What came of it. */
export interface Descended {
  /** The first step at which the last 200 made less than a quarter of the free progress; as many as there were where none did. */
  readonly stall: number
  readonly stalled: boolean
  readonly x0: number
  readonly largest: number
  /** (Σx²)²/Σx⁴: over how many coordinates x is spread. */
  readonly participation: number
  /** The largest distance of ∂L/∂x₀ from −1. */
  readonly coupling: number
}

const [rate, window] = [0.2, 200]

/**
 * Goes down a landscape with a constant step of 0.2 along the gradient divided by its joint norm, and noise of about the same norm.
 *
 * source  DaemonicSigil/tessellating-hills @ 2258ebf
 */
export function descend(land: Landscape, how: Descent): Descended {
  const { steps, seed, noise = 1, update = 'normalised', frozen = false, shuffled = false, untilStall = false, watch } = how
  const { n } = land
  const rng = stream(seed, `evidence hills noise ${n}`)
  const [x, g, m, v] = [new Float64Array(n), new Float64Array(n + 1), new Float64Array(n + 1), new Float64Array(n + 1)]
  if (frozen) for (let i = 0; i < n; i++) x[i] = rng.normal()
  const weigh = shuffled ? Int32Array.from({ length: n }, (_, i) => i) : undefined
  const before = new Float64Array(window)
  const jitter = (rate * noise) / Math.sqrt(1 + n)
  let [x0, stall, coupling] = [0, 0, 0]
  for (let step = 1; step <= steps; step++) {
    if (weigh) shuffle(weigh, rng.below)
    before[step % window] = x0
    lossAndGradient(land, x0, x, g, weigh)
    coupling = Math.max(coupling, Math.abs(g[n]! + 1))
    turn(update, g, m, v, step)
    x0 -= rate * g[n]! + (noise === 0 ? 0 : jitter * rng.normal())
    if (!frozen) for (let i = 0; i < n; i++) x[i] = x[i]! - rate * g[i]! - (noise === 0 ? 0 : jitter * rng.normal())
    watch?.(step, x0)
    if (stall === 0 && step >= window && x0 - before[(step + 1) % window]! < 0.25 * rate * (window - 1)) {
      stall = step
      if (untilStall) break
    }
  }
  let [squares, fourths, largest] = [0, 0, 0]
  for (const xi of x) {
    squares += xi ** 2
    fourths += xi ** 4
    largest = Math.max(largest, Math.abs(xi))
  }
  const participation = fourths === 0 ? n : squares ** 2 / fourths
  return { stall: stall || steps, stalled: stall > 0, x0, largest, participation, coupling }
}

/** Turns the gradient into the step in units of the rate, in place. */
function turn(update: Descent['update'], g: Float64Array, m: Float64Array, v: Float64Array, step: number): void {
  if (update === 'plain') return
  if (update === 'adam') {
    for (let i = 0; i < g.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2
      g[i] = m[i]! / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.999 ** step)) + 1e-8)
    }
    return
  }
  let square = 0
  for (let i = 0; i < g.length; i++) square += g[i]! ** 2
  const norm = Math.sqrt(square)
  for (let i = 0; i < g.length; i++) g[i] = g[i]! / norm
  if (update !== 'momentum') return
  for (let i = 0; i < g.length; i++) {
    m[i] = 0.9 * m[i]! + 0.1 * g[i]!
    g[i] = m[i]!
  }
}

function shuffle(order: Int32Array, below: (n: number) => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(i + 1)
    const kept = order[i]!
    order[i] = order[j]!
    order[j] = kept
  }
}
