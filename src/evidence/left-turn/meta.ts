import { type Batch, type Mlp, mlp } from '../mlp.ts'
import { type Stream, stream } from '../stream.ts'

/** A task to adapt to: what the inner loop sees, and what it is judged by. */
export interface Task {
  readonly support: Batch
  readonly query: Batch
}

/** Tasks that share something, which the outer loop may learn. */
export interface Family {
  readonly sizes: readonly number[]
  draw(rng: Stream): Task
}

/** Which parameters the inner loop changes. */
export type Inner = 'all' | 'head'

/** How a task is adapted to. */
export interface Adaptation {
  readonly inner: Inner
  /** Inner steps. */
  readonly steps: number
  readonly rate: number
}

/** Parameters after the inner loop; with `path`, the parameters before each step are put there. */
export function adapt(
  net: Mlp,
  theta: Float64Array,
  support: Batch,
  { inner, steps, rate }: Adaptation,
  path?: Float64Array[],
): Float64Array {
  let now = theta
  for (let k = 0; k < steps; k++) {
    path?.push(now)
    const g = net.gradient(now, support)
    const before = now
    now = before.map((x, i) => (inner === 'head' && i < net.head ? x : x - rate * g[i]!))
  }
  return now
}

/**
 * The exact gradient of the loss after the inner loop with respect to the parameters before it: back through every inner step with a
 * Hessian-vector product. With the head alone adapted this is ANIL's, still of second order through the head.
 *
 * source  Finn et al. 2017, arXiv:1703.03400; Raghu et al. 2019, arXiv:1909.09157
 */
export function metaGradient(net: Mlp, theta: Float64Array, { support, query }: Task, how: Adaptation): Float64Array {
  const path: Float64Array[] = []
  const adapted = adapt(net, theta, support, how, path)
  let v = net.gradient(adapted, query)
  for (const at of path.toReversed()) {
    const stepped = how.inner === 'head' ? v.map((x, i) => (i < net.head ? 0 : x)) : v
    const h = net.hvp(at, support, stepped)
    v = v.map((x, i) => x - how.rate * h[i]!)
  }
  return v
}

/** The outer loop: Adam on the mean meta-gradient of four tasks a step. */
export function metaTrain(
  family: Family,
  how: Adaptation,
  { seed, iterations, rate = 5e-3 }: { seed: number; iterations: number; rate?: number },
) {
  const net = mlp(family.sizes)
  const rng = stream(seed, 'evidence meta')
  const theta = net.init(rng)
  const [m, v] = [new Float64Array(net.count), new Float64Array(net.count)]
  for (let step = 1; step <= iterations; step++) {
    const g = new Float64Array(net.count)
    for (let task = 0; task < 4; task++) metaGradient(net, theta, family.draw(rng), how).forEach((x, i) => void (g[i] = g[i]! + x / 4))
    for (let i = 0; i < g.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2
      theta[i] = theta[i]! - (rate * m[i]!) / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.999 ** step)) + 1e-8)
    }
  }
  return { net, theta }
}

/**
 * Work of the inner loop over that of the outer one in an update, in passes: forward 1, backward 2, a Hessian-vector product 5. With the head
 * alone adapted, the inner loop is one pass through the body and the steps of the head's share of parameters.
 */
export function innerOverOuter(net: Pick<Mlp, 'count' | 'head'>, { inner, steps }: Adaptation): number {
  const share = inner === 'head' ? (net.count - net.head) / net.count : 1
  return ((inner === 'head' ? 1 : 0) + 3 * steps * share) / (3 + 5 * steps * share)
}

const [shots, ways, each, wide] = [10, 5, 3, 8] as const

/** Sinusoids with amplitude and phase of their own, and where `frequency` says so a frequency too, so that features must change. */
export function sinusoids(frequency: boolean): Family {
  return {
    sizes: [1, 20, 20, 1],
    draw(rng) {
      const [amplitude, phase] = [0.1 + 1.9 * rng.uniform(), Math.PI * rng.uniform()]
      const omega = frequency ? 1 + 3 * rng.uniform() : 1.5
      const batch = (): Batch => {
        const x = Float64Array.from({ length: shots }, () => 2 * rng.uniform() - 1)
        return { x, y: x.map((at) => amplitude * Math.sin(2 * omega * at + phase)) }
      }
      return { support: batch(), query: batch() }
    },
  }
}

/** Five classes of three examples: clusters in three hidden dimensions, seen through one fixed mixing with as much noise in five others. */
export const fewShot: Family = {
  sizes: [wide, 20, 20, ways],
  draw(rng) {
    const centres = Float64Array.from({ length: ways * 3 }, () => 1.5 * rng.normal())
    const batch = (): Batch => {
      const [x, y] = [new Float64Array(ways * each * wide), new Float64Array(ways * each * ways)]
      for (let row = 0; row < ways * each; row++) {
        const label = row % ways
        y[row * ways + label] = 1
        const hidden = Float64Array.from({ length: wide }, (_, i) => (i < 3 ? centres[label * 3 + i]! + 0.3 * rng.normal() : rng.normal()))
        for (let i = 0; i < wide; i++)
          for (let k = 0; k < wide; k++) x[row * wide + i] = x[row * wide + i]! + mixing[i * wide + k]! * hidden[k]!
      }
      return { x, y }
    }
    return { support: batch(), query: batch() }
  },
}
const mixing = (() => {
  const rng = stream(0, 'evidence few-shot mixing')
  return Float64Array.from({ length: wide * wide }, () => rng.normal() / Math.sqrt(wide))
})()

/** How well new tasks are done after adaptation: mean squared error as a share of the mean square, and the share of right classes. */
export function judge(
  net: Mlp,
  theta: Float64Array,
  family: Family,
  rng: Stream,
  how: Adaptation | 'nearest',
  tasks = 60,
): { error: number; accuracy: number } {
  let [error, power, right, all] = [0, 0, 0, 0]
  for (let task = 0; task < tasks; task++) {
    const { support, query } = family.draw(rng)
    const out = how === 'nearest' ? nearest(net, theta, support, query.x) : net.forward(adapt(net, theta, support, how), query.x)
    out.forEach((said, i) => void (error += (said - query.y[i]!) ** 2))
    query.y.forEach((y) => void (power += y * y))
    const width = family.sizes.at(-1)!
    for (let row = 0; row < out.length / width; row++) {
      const best = (values: Float64Array) => values.indexOf(Math.max(...values))
      right += Number(best(out.subarray(row * width, (row + 1) * width)) === best(query.y.subarray(row * width, (row + 1) * width)))
      all++
    }
  }
  return { error: error / power, accuracy: right / all }
}

/** NIL: no head and no inner loop; what is said is what similar examples say, by the cosine of their features. */
function nearest(net: Mlp, theta: Float64Array, support: Batch, x: Float64Array): Float64Array {
  const width = net.sizes.at(-2)!
  const outs = net.sizes.at(-1)!
  const [seen, asked] = [net.features(theta, support.x), net.features(theta, x)]
  const rows = asked.length / width
  const out = new Float64Array(rows * outs)
  for (let r = 0; r < rows; r++)
    for (let s = 0; s < seen.length / width; s++) {
      let [dot, a, b] = [0, 0, 0]
      for (let i = 0; i < width; i++) {
        const [p, q] = [asked[r * width + i]!, seen[s * width + i]!]
        dot += p * q
        a += p * p
        b += q * q
      }
      for (let o = 0; o < outs; o++) out[r * outs + o] = out[r * outs + o]! + (dot / Math.sqrt(a * b || 1)) * support.y[s * outs + o]!
    }
  return out
}
