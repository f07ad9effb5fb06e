import type { Stream } from './stream.ts'

/** A layer: x → f(Wx + b), to which x is added where it is residual. */
export interface Layer {
  readonly inputs: number
  readonly outputs: number
  readonly relu: boolean
  readonly residual: boolean
}

/** A small network in doubles, for simulations: layers one after the other, all parameters in one vector. */
export interface DenseNet {
  readonly layers: readonly Layer[]
  /** Of each layer W by rows, then b. */
  readonly weights: Float64Array
}

/** Layers of the given widths, ReLU in all but the last. */
export function widths(...sizes: readonly number[]): Layer[] {
  return sizes.slice(1).map((outputs, i) => ({ inputs: sizes[i]!, outputs, relu: i < sizes.length - 2, residual: false }))
}

/** The place of each layer's weights, with the end as the last entry. */
export function placesOf(layers: readonly Layer[]): number[] {
  const places = [0]
  for (const { inputs, outputs } of layers) places.push(places.at(-1)! + (inputs + 1) * outputs)
  return places
}

/**
 * A network with no biases and normal weights, of deviation √(2 / inputs) before a ReLU and √(1 / inputs) otherwise, half of it in residual layers.
 *
 * source  He et al. 2015, arXiv:1502.01852
 */
export function freshNet(layers: readonly Layer[], draw: Stream): DenseNet {
  const places = placesOf(layers)
  const weights = new Float64Array(places.at(-1)!)
  layers.forEach(({ inputs, outputs, relu, residual }, l) => {
    const deviation = Math.sqrt((relu ? 2 : 1) / inputs) * (residual ? 0.5 : 1)
    for (let i = 0; i < inputs * outputs; i++) weights[places[l]! + i] = deviation * draw.normal()
  })
  return { layers, weights }
}

/** What each layer reads, in order, and at the end what the last one says; each of them by rows. */
export function forward({ layers, weights }: DenseNet, rows: Float64Array): Float64Array[] {
  const states = [rows]
  const n = rows.length / layers[0]!.inputs
  let place = 0
  for (const { inputs, outputs, relu, residual } of layers) {
    const x = states.at(-1)!
    const y = new Float64Array(n * outputs)
    const bias = place + inputs * outputs
    for (let row = 0; row < n; row++)
      for (let o = 0; o < outputs; o++) {
        let sum = weights[bias + o]!
        const at = place + o * inputs
        for (let i = 0; i < inputs; i++) sum += weights[at + i]! * x[row * inputs + i]!
        if (relu && sum < 0) sum = 0
        y[row * outputs + o] = residual ? sum + x[row * inputs + o]! : sum
      }
    states.push(y)
    place = bias + outputs
  }
  return states
}

/** The last state: what the network says of each row. */
export function outputsOf(net: DenseNet, rows: Float64Array): Float64Array {
  return forward(net, rows).at(-1)!
}

/**
 * The gradient of a loss by every weight and by every input, from that by the outputs.
 *
 * grad    ReLU has slope 0 at 0
 */
export function backward(
  { layers, weights }: DenseNet,
  states: readonly Float64Array[],
  slope: Float64Array,
): { readonly weights: Float64Array; readonly inputs: Float64Array } {
  const gradient = new Float64Array(weights.length)
  const places = placesOf(layers)
  let dy = slope
  for (let l = layers.length - 1; l >= 0; l--) {
    const { inputs, outputs, relu, residual } = layers[l]!
    const [x, y] = [states[l]!, states[l + 1]!]
    const [place, n] = [places[l]!, y.length / outputs]
    const dx = new Float64Array(n * inputs)
    for (let row = 0; row < n; row++)
      for (let o = 0; o < outputs; o++) {
        const d = dy[row * outputs + o]!
        if (residual) dx[row * inputs + o]! += d
        const before = residual ? y[row * outputs + o]! - x[row * inputs + o]! : y[row * outputs + o]!
        if (d === 0 || (relu && before <= 0)) continue
        const at = place + o * inputs
        for (let i = 0; i < inputs; i++) {
          gradient[at + i]! += d * x[row * inputs + i]!
          dx[row * inputs + i]! += d * weights[at + i]!
        }
        gradient[place + inputs * outputs + o]! += d
      }
    dy = dx
  }
  return { weights: gradient, inputs: dy }
}

/**
 * Mean cross-entropy of rows of logits, its gradient by the logits, and the share of rows whose largest logit is the label's.
 *
 * units   nats
 */
export function crossEntropy(logits: Float64Array, labels: ArrayLike<number>): { loss: number; right: number; slope: Float64Array } {
  const n = labels.length
  const classes = logits.length / n
  const slope = softmaxRows(logits, classes)
  let [loss, right] = [0, 0]
  for (let row = 0; row < n; row++) {
    const at = row * classes + labels[row]!
    const p = slope[at]!
    loss -= Math.log(Math.max(p, 1e-300)) / n
    let best = true
    for (let c = row * classes; c < (row + 1) * classes; c++) if (c !== at && slope[c]! >= p) best = false
    if (best) right += 1 / n
    slope[at]! -= 1
  }
  for (let i = 0; i < slope.length; i++) slope[i]! /= n
  return { loss, right, slope }
}

/** Rows of logits as probabilities. */
export function softmaxRows(logits: Float64Array, classes: number): Float64Array {
  const found = new Float64Array(logits.length)
  for (let from = 0; from < logits.length; from += classes) {
    let most = Number.NEGATIVE_INFINITY
    for (let c = 0; c < classes; c++) most = Math.max(most, logits[from + c]!)
    let sum = 0
    for (let c = 0; c < classes; c++) sum += found[from + c] = Math.exp(logits[from + c]! - most)
    for (let c = 0; c < classes; c++) found[from + c]! /= sum
  }
  return found
}

/**
 * Adam without weight decay, in place: a step down a gradient. `scales` multiplies the rate of each weight.
 *
 * source  Kingma & Ba 2015, arXiv:1412.6980
 */
export function adam(weights: Float64Array, rate: number, scales?: Float64Array): (gradient: Float64Array) => void {
  const [m, v] = [new Float64Array(weights.length), new Float64Array(weights.length)]
  let step = 0
  return (gradient) => {
    step++
    const [first, second] = [1 - 0.9 ** step, 1 - 0.999 ** step]
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i]!
      m[i] = 0.9 * m[i]! + 0.1 * g
      v[i] = 0.999 * v[i]! + 0.001 * g * g
      weights[i]! -= (rate * (scales?.[i] ?? 1) * (m[i]! / first)) / (Math.sqrt(v[i]! / second) + 1e-8)
    }
  }
}
