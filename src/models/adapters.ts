import { linear, matmul, reshape, sqrt, stopGradient, sum, type Value } from '../graph/index.ts'

/** Low-rank additions to linear layers, by path (`blocks.0.attn.q`): W becomes W + scale · b·a, with rows as long as `magnitude` says. */
export interface Adapters<T> {
  /** alpha / rank, or alpha / √rank where `rslora`. */
  readonly scale: number
  readonly rslora?: boolean
  /** Share of an adapter's inputs that training drops; see dropoutMasks. */
  readonly dropout?: number
  readonly layers: { readonly [path: string]: Adapter<T> }
  /** What each adapter's input [R, T, in] is multiplied by in a training step. */
  readonly masks?: { readonly [path: string]: T }
}

/** shape a [rank, in], b [out, rank], magnitude [out] (DoRA) for a layer [out, in] */
export type Adapter<T> = {
  readonly a: T
  readonly b: T
  readonly magnitude?: T
}

/**
 * A linear layer's output (before any bias), with its adapter where it has one: x·(W + scale · b·a)ᵀ · magnitude / ‖W + scale · b·a‖, row
 * norms. What dropout takes is taken from the adapter's input alone. As in PEFT the norm is a constant to the gradient.
 *
 * source  Hu et al. 2021, arXiv:2106.09685; DoRA: Liu et al. 2024, arXiv:2402.09353, equation 5 and section 4.3
 */
export function adapted(x: Value, weight: Value, adapters: Adapters<Value> | undefined, path: string): Value {
  const layer = adapters?.layers[path]
  if (!layer) return linear(x, weight)
  const { a, b, magnitude } = layer
  const whole = changedWeight(weight, layer, adapters.scale)
  const mask = adapters.masks?.[path]
  if (!mask) return magnitude ? linear(x, whole).mul(lengthened(whole, magnitude)) : linear(x, whole)
  const read = x.mul(mask)
  const low = linear(linear(read, a), b).mul(adapters.scale)
  const y = linear(x, weight)
  if (!magnitude) return y.add(low)
  const base = linear(read, weight)
  return y.sub(base).add(base.add(low).mul(lengthened(whole, magnitude)))
}

/** The weight that a layer with an adapter multiplies by. shape [out, in] */
export function adaptedWeight(weight: Value, layer: Adapter<Value>, scale: number): Value {
  const whole = changedWeight(weight, layer, scale)
  const { magnitude } = layer
  return magnitude ? whole.mul(reshape(lengthened(whole, magnitude), [magnitude.shape[0]!, 1])) : whole
}

/** W + scale · b·a */
function changedWeight(weight: Value, { a, b }: Adapter<Value>, scale: number): Value {
  return weight.add(matmul(b, a).mul(scale))
}

/** What makes a weight's rows as long as the magnitude says, a constant to the gradient. */
function lengthened(weight: Value, magnitude: Value): Value {
  return magnitude.div(stopGradient(sqrt(reshape(sum(weight.mul(weight), [-1]), magnitude.shape))))
}
