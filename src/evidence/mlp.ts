import type { Stream } from './stream.ts'

/** Inputs and wanted outputs, one row after the other. */
export interface Batch {
  readonly x: Float64Array
  readonly y: Float64Array
}

/** A network of dense layers with tanh between them, as a function of one flat list of parameters: each layer's weights, then its biases. */
export interface Mlp {
  readonly sizes: readonly number[]
  /** How many parameters. */
  readonly count: number
  /** Where the last layer begins. */
  readonly head: number
  /** Parameters drawn with variance 1/fan-in; biases are zero. */
  init(rng: Stream): Float64Array
  /** What the network says of rows of inputs. */
  forward(theta: Float64Array, x: Float64Array): Float64Array
  /** What its last hidden layer is of rows of inputs. */
  features(theta: Float64Array, x: Float64Array): Float64Array
  /** The mean squared error over rows and outputs. */
  loss(theta: Float64Array, batch: Batch): number
  /** Its gradient. */
  gradient(theta: Float64Array, batch: Batch): Float64Array
  /**
   * The Hessian of the loss times a direction, by differentiating the backward pass along it.
   *
   * source  Pearlmutter 1994, Fast exact multiplication by the Hessian
   */
  hvp(theta: Float64Array, batch: Batch, v: Float64Array): Float64Array
}

/** A network with layers of so many units, inputs first. */
export function mlp(sizes: readonly number[]): Mlp {
  const last = sizes.length - 1
  const at = sizes
    .slice(1)
    .map((_, l) => sizes.slice(0, l + 1).reduce((sum, n, i) => sum + (n + 1) * sizes[i + 1]!, 0) - (sizes[l]! + 1) * sizes[l + 1]!)
  const count = at[last - 1]! + (sizes[last - 1]! + 1) * sizes[last]!

  /** The values of every layer, inputs first; `turned`, where given, gets their change along a direction of the parameters. */
  function layers(theta: Float64Array, x: Float64Array, v?: Float64Array, turned?: Float64Array[]): Float64Array[] {
    const rows = x.length / sizes[0]!
    const values = [x]
    turned?.push(new Float64Array(x.length))
    for (let l = 0; l < last; l++) {
      const [n, m, from] = [sizes[l]!, sizes[l + 1]!, at[l]!]
      const [h, out] = [values[l]!, new Float64Array(rows * m)]
      const dh = turned?.[l]
      const dOut = turned && new Float64Array(rows * m)
      for (let r = 0; r < rows; r++)
        for (let j = 0; j < m; j++) {
          const w = from + j * n
          let a = theta[from + n * m + j]!
          for (let i = 0; i < n; i++) a += theta[w + i]! * h[r * n + i]!
          const value = l === last - 1 ? a : Math.tanh(a)
          out[r * m + j] = value
          if (dOut && dh && v) {
            let d = v[from + n * m + j]!
            for (let i = 0; i < n; i++) d += v[w + i]! * h[r * n + i]! + theta[w + i]! * dh[r * n + i]!
            dOut[r * m + j] = l === last - 1 ? d : (1 - value * value) * d
          }
        }
      values.push(out)
      if (dOut) turned.push(dOut)
    }
    return values
  }

  /** The gradient, or with a direction the change of the gradient along it. */
  function backward(theta: Float64Array, { x, y }: Batch, v?: Float64Array): Float64Array {
    const turned: Float64Array[] | undefined = v && []
    const values = layers(theta, x, v, turned)
    const rows = x.length / sizes[0]!
    const g = new Float64Array(count)
    const scale = 2 / y.length
    let delta = values[last]!.map((out, i) => scale * (out - y[i]!))
    let dDelta = turned?.at(-1)?.map((d) => scale * d)
    for (let l = last - 1; l >= 0; l--) {
      const [n, m, from] = [sizes[l]!, sizes[l + 1]!, at[l]!]
      const [h, dh] = [values[l]!, turned?.[l]]
      const [below, dBelow] = [new Float64Array(rows * n), turned && new Float64Array(rows * n)]
      for (let r = 0; r < rows; r++)
        for (let j = 0; j < m; j++) {
          const [w, d] = [from + j * n, delta[r * m + j]!]
          if (!dDelta || !dh || !dBelow || !v) {
            g[from + n * m + j] = g[from + n * m + j]! + d
            for (let i = 0; i < n; i++) {
              g[w + i] = g[w + i]! + d * h[r * n + i]!
              below[r * n + i] = below[r * n + i]! + d * theta[w + i]!
            }
            continue
          }
          const e = dDelta[r * m + j]!
          g[from + n * m + j] = g[from + n * m + j]! + e
          for (let i = 0; i < n; i++) {
            g[w + i] = g[w + i]! + e * h[r * n + i]! + d * dh[r * n + i]!
            below[r * n + i] = below[r * n + i]! + d * theta[w + i]!
            dBelow[r * n + i] = dBelow[r * n + i]! + e * theta[w + i]! + d * v[w + i]!
          }
        }
      if (l === 0) break
      if (dBelow && dh) dDelta = dBelow.map((e, i) => (1 - h[i]! ** 2) * e - 2 * h[i]! * dh[i]! * below[i]!)
      delta = below.map((d, i) => (1 - h[i]! ** 2) * d)
    }
    return g
  }

  return {
    sizes,
    count,
    head: at[last - 1]!,
    init(rng) {
      const theta = new Float64Array(count)
      for (let l = 0; l < last; l++)
        for (let i = 0; i < sizes[l]! * sizes[l + 1]!; i++) theta[at[l]! + i] = rng.normal() / Math.sqrt(sizes[l]!)
      return theta
    },
    forward: (theta, x) => layers(theta, x)[last]!,
    features: (theta, x) => layers(theta, x)[last - 1]!,
    loss(theta, { x, y }) {
      const out = layers(theta, x)[last]!
      let sum = 0
      for (let i = 0; i < out.length; i++) sum += (out[i]! - y[i]!) ** 2
      return sum / y.length
    },
    gradient: (theta, batch) => backward(theta, batch),
    hvp: (theta, batch, v) => backward(theta, batch, v),
  }
}
