import { backward, crossEntropy, type DenseNet, forward, type Layer, placesOf } from '../dense-net.ts'
import type { Stream } from '../stream.ts'
import { type Labelled, leftOf, measured } from './classifier.ts'

/** The network with its layers in another order; a layer that is not named is left out, and layers of another network may be. */
export function reordered(from: readonly (readonly [net: DenseNet, layer: number])[]): DenseNet {
  const layers: Layer[] = from.map(([net, l]) => net.layers[l]!)
  const parts = from.map(([net, l]) => {
    const places = placesOf(net.layers)
    return net.weights.subarray(places[l]!, places[l + 1]!)
  })
  const weights = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0))
  let place = 0
  for (const part of parts) {
    weights.set(part, place)
    place += part.length
  }
  return { layers, weights }
}

/** Every swap of two neighbouring blocks, every block left out, and the blocks backwards. */
export function structural(net: DenseNet): { readonly swaps: DenseNet[]; readonly deletions: DenseNet[]; readonly backwards: DenseNet } {
  const order = net.layers.map((_, l) => l)
  const blocks = order.slice(1, -1)
  const made = (chosen: readonly number[]) => reordered(chosen.map((l) => [net, l] as const))
  return {
    swaps: blocks.slice(1).map((l) => made(order.map((k) => (k === l ? l - 1 : k === l - 1 ? l : k)))),
    deletions: blocks.map((l) => made(order.filter((k) => k !== l))),
    backwards: made([0, ...blocks.toReversed(), order.at(-1)!]),
  }
}

/** The bottom of one network up to a layer, and the top of another after it. */
export function stitched(bottom: DenseNet, top: DenseNet, layer: number): DenseNet {
  return reordered(bottom.layers.map((_, l) => [l <= layer ? bottom : top, l] as const))
}

/** The weights moved along a direction by a share of their norm. */
export function moved({ layers, weights }: DenseNet, direction: Float64Array, share: number): DenseNet {
  const scale = (share * normOf(weights)) / normOf(direction)
  return { layers, weights: weights.map((w, i) => w + scale * direction[i]!) }
}

/** A direction without any plan. */
export function anyDirection({ weights }: DenseNet, draw: Stream): Float64Array {
  return weights.map(() => draw.normal())
}

/** How much of the stream a block adds: ‖f(h)‖ / ‖h‖, mean over blocks and rows together. */
export function blockShare(net: DenseNet, { rows }: Labelled): number {
  const states = forward(net, rows)
  const shares = net.layers.flatMap(({ residual }, l) =>
    residual ? [normOf(states[l + 1]!.map((y, i) => y - states[l]![i]!)) / normOf(states[l]!)] : [],
  )
  return shares.reduce((sum, x) => sum + x / shares.length, 0)
}

/** The smallest share of the norm at which half of the performance is gone: along a random direction, and up the gradient of the loss. */
export function smallestBreaks(net: DenseNet, data: Labelled, draw: Stream): { readonly random: number; readonly worst: number } {
  const before = measured(net, data).right
  const broken = (edited: DenseNet) => leftOf(before, measured(edited, data).right) < 0.5
  const direction = anyDirection(net, draw)
  let random = 0.02
  while (!broken(moved(net, direction, random)) && random < 10) random *= 1.15
  let now = net
  for (let step = 0; step < 200 && !broken(now); step++) {
    const states = forward(now, data.rows)
    const { weights } = backward(now, states, crossEntropy(states.at(-1)!, data.labels).slope)
    now = moved(now, weights, 0.01)
  }
  return { random, worst: normOf(now.weights.map((w, i) => w - net.weights[i]!)) / normOf(net.weights) }
}

/** Share of networks that keep at least nine tenths of a performance, and the mean relative loss of all. */
export function keptBy(
  net: DenseNet,
  edited: readonly DenseNet[],
  data: Labelled,
): { readonly kept: number; readonly degradation: number } {
  const before = measured(net, data)
  const chance = Math.log(new Set(data.labels).size)
  let [kept, degradation] = [0, 0]
  for (const one of edited) {
    const { loss, right } = measured(one, data)
    if (leftOf(before.right, right) >= 0.9) kept += 1 / edited.length
    degradation += (loss - before.loss) / (chance - before.loss) / edited.length
  }
  return { kept, degradation }
}

/** The Euclidean length of a vector. */
export function normOf(x: Float64Array): number {
  return Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))
}
