import { constant, mean, sqrt, type Value } from '../graph/index.ts'
import type { DecoderConfig } from './config.ts'

/** What is done to a norm's divisor; without it the norm stays one kernel. */
export type ScaleTap = (scale: Value) => Value

/** The config's norm, where there is one. */
export function norm(
  x: Value,
  weight: Value | undefined,
  bias: Value | undefined,
  { norm: kind = 'rms', normEps }: DecoderConfig,
  scale?: ScaleTap,
): Value {
  if (!weight) return x
  if (kind === 'layer') return layerNorm(x, weight, bias, normEps, scale)
  return rmsNorm(x, kind === 'rmsPlusOne' ? weight.add(1) : weight, normEps, scale)
}

/**
 * x over its root mean square, times a weight per channel.
 *
 * shape   x f32[…, d], weight f32[d] → f32[…, d]
 * source  Zhang & Sennrich 2019, arXiv:1910.07467
 */
export function rmsNorm(x: Value, weight: Value, eps: number, scale: ScaleTap = (root) => root): Value {
  const inverse = constant(1).div(scale(sqrt(mean(x.mul(x), [-1]).add(eps))))
  return x.mul(inverse).mul(weight)
}

/**
 * x less its mean, over its standard deviation, times a weight and plus a bias per channel.
 *
 * shape   x f32[…, d], weight, bias f32[d] → f32[…, d]
 * source  Ba et al. 2016, arXiv:1607.06450
 */
function layerNorm(x: Value, weight: Value, bias: Value | undefined, eps: number, scale?: ScaleTap): Value {
  const y = rmsNorm(x.sub(mean(x, [-1])), weight, eps, scale)
  return bias ? y.add(bias) : y
}
