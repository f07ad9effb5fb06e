import { random } from '../random/index.ts'
import { lowerOf } from './gaussian.ts'
import { fitted, type LogDensity } from './hmc.ts'

const wide = 3

/**
 * ln ∫ of a density from draws of it, by a bridge to a Gaussian that is fitted to half of them, a quarter of it three times as wide for the tails.
 *
 * units   nats
 * source  Meng & Wong 1996; Gronau et al. 2017, A tutorial on bridge sampling
 */
export function logIntegral(density: LogDensity, chains: readonly (readonly Float64Array[])[], seed: number): number {
  const half = (chain: readonly Float64Array[]) => chain.length >> 1
  const { mean, covariance } = fitted(chains.flatMap((chain) => chain.slice(0, half(chain))))
  const own = chains.flatMap((chain) => chain.slice(half(chain)))
  const d = mean.length
  const lower = lowerOf(covariance)
  const logDet = lower.diagonal().reduce((sum, l) => sum + Math.log(l), 0)
  const slope = new Float64Array(d)
  // The log of the density over the Gaussian's.
  const ratio = (u: Float64Array, z: ArrayLike<number>) => {
    let square = 0
    for (let k = 0; k < d; k++) square += z[k]! ** 2
    const told = Math.log((3 / 4) * Math.exp(-square / 2) + (1 / 4) * Math.exp(-square / 2 / wide ** 2) * wide ** -d)
    return density(u, slope) - told + logDet + (d / 2) * Math.log(2 * Math.PI)
  }
  const ofDraws = own.map((u) => {
    const z: number[] = []
    for (let i = 0; i < d; i++) z.push(z.reduce((rest, value, j) => rest - lower.get(i, j) * value, u[i]! - mean[i]!) / lower.get(i, i))
    return ratio(u, z)
  })
  const normals = random(seed, 'bridge').normals(own.length * d)
  const ofGaussian = own.map((_, i) => {
    const z = normals.subarray(i * d, (i + 1) * d).map((value) => (i % 4 === 0 ? wide * value : value))
    return ratio(
      Float64Array.from(mean, (m, k) => z.subarray(0, k + 1).reduce((sum, value, j) => sum + lower.get(k, j) * value, m)),
      z,
    )
  })
  const middle = ofDraws.toSorted((a, b) => a - b)[own.length >> 1]!
  let r = 1
  for (let round = 0; round < 200; round++) {
    const above = ofGaussian.reduce((sum, l) => sum + 1 / (1 / 2 + r / (2 * Math.exp(l - middle))), 0)
    const below = ofDraws.reduce((sum, l) => sum + 1 / (Math.exp(l - middle) / 2 + r / 2), 0)
    const next = above / below
    const settled = Math.abs(Math.log(next / r)) < 1e-10
    r = next
    if (settled) break
  }
  return Math.log(r) + middle
}
