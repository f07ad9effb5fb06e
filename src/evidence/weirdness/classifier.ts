import { adam, backward, crossEntropy, type DenseNet, forward, freshNet, type Layer, outputsOf } from '../dense-net.ts'
import type { Stream } from '../stream.ts'

export const [senses, classes] = [10, 8]
const clustersPerClass = 3

/** Points with their classes. */
export interface Labelled {
  readonly rows: Float64Array
  readonly labels: Int32Array
}

/** A way to draw labelled points: each class has three clusters. */
export function task(draw: Stream): (count: number, points: Stream) => Labelled {
  const centres = Array.from({ length: classes * clustersPerClass }, () => Float64Array.from({ length: senses }, () => draw.normal()))
  return (count, points) => {
    const rows = new Float64Array(count * senses)
    const labels = Int32Array.from({ length: count }, (_, row) => {
      const k = points.below(centres.length)
      for (let i = 0; i < senses; i++) rows[row * senses + i] = centres[k]![i]! + 0.5 * points.normal()
      return k % classes
    })
    return { rows, labels }
  }
}

/** Layers of a network with so many square blocks, residual or not. */
export function blocks(width: number, depth: number, residual: boolean): Layer[] {
  return [
    { inputs: senses, outputs: width, relu: true, residual: false },
    ...Array.from({ length: depth }, () => ({ inputs: width, outputs: width, relu: true, residual })),
    { inputs: width, outputs: classes, relu: false, residual: false },
  ]
}

/** How a network is trained. */
export interface Training {
  readonly steps: number
  readonly batch: number
  readonly rate: number
  /** Factors of the rate, one a weight. */
  readonly scales?: Float64Array
  /** Factor of what the last layer says. */
  readonly outputScale?: number
}

export const usual: Training = { steps: 300, batch: 32, rate: 0.01 }

/** Trains a copy of a network by Adam on batches drawn with replacement; the rate falls to nothing. */
export function trainedOn({ layers, weights: from }: DenseNet, data: Labelled, how: Training, draw: Stream): DenseNet {
  const { steps, batch, rate, scales, outputScale = 1 } = how
  const net = { layers, weights: from.slice() }
  const factors = new Float64Array(from.length)
  const descend = adam(net.weights, rate, factors)
  for (let step = 0; step < steps; step++) {
    const chosen = Int32Array.from({ length: batch }, () => draw.below(data.labels.length))
    const rows = new Float64Array(batch * senses)
    chosen.forEach((row, i) => void rows.set(data.rows.subarray(row * senses, (row + 1) * senses), i * senses))
    const states = forward(net, rows)
    const said = states.at(-1)!.map((x) => outputScale * x)
    const { slope } = crossEntropy(said, chosen.map((row) => data.labels[row]!)) // biome-ignore format: one line
    for (let i = 0; i < factors.length; i++) factors[i] = (scales?.[i] ?? 1) * (1 - step / steps)
    descend(backward(net, states, outputScale === 1 ? slope : slope.map((x) => outputScale * x)).weights)
  }
  return net
}

/** A fresh network of these layers, trained. */
export function trainedFresh(layers: readonly Layer[], data: Labelled, how: Training, draw: Stream): DenseNet {
  return trainedOn(freshNet(layers, draw), data, how, draw)
}

/** Loss and share of right answers. */
export function measured(net: DenseNet, { rows, labels }: Labelled, outputScale = 1): { readonly loss: number; readonly right: number } {
  return crossEntropy(outputsOf(net, rows).map((x) => outputScale * x), labels) // biome-ignore format: one line
}

/** The part of a performance above chance that is left. */
export function leftOf(before: number, after: number): number {
  return (after - 1 / classes) / (before - 1 / classes)
}
