import { matmul, reshape, type Tensor, tensor, transpose, type Value } from 'innate/graph'
import type { DecoderConfig, DecoderParams } from 'innate/models'
import { over, type Policy, type See, textTree } from 'innate/policy'
import { inverse, Matrix } from 'ml-matrix'
import type { Story } from './material.ts'

/** Σ a·aᵀ over the tokens of some texts, where a is what a block's MLP holds in the middle. One f64[f, f] a block. */
export async function covariances(policy: Policy, stories: readonly Story[]): Promise<Matrix[]> {
  const { layers, intermediateSize: f } = policy.config
  const names = Array.from({ length: layers }, (_, i) => `blocks.${i}.mlp.act`)
  const covariance: See = ({ tap, real }) => {
    const [R, T] = real.shape as [number, number]
    const products = (a: Value) => matmul(transpose(a), a.mul(reshape(real, [R * T, 1])))
    return Object.fromEntries(names.map((name) => [name, products(reshape(tap(name), [R * T, f]))]))
  }
  const sums = await over(
    policy,
    stories.map(({ ids }) => textTree(ids)),
    covariance,
    { packing: { tokenBudget: 4096 } },
  )
  await policy.rest()
  return names.map((name) => Matrix.from1DArray(f, f, sums[name]!.data as Float64Array))
}

/**
 * Takes neurons out of every MLP one by one, each time the one whose loss the others can make good best, and lets them: what stays is the
 * least-squares fit of the block's old output.
 *
 * source  Hassibi & Stork 1992, Optimal Brain Surgeon, on whole rows of the projection (as in Frantar & Alistarh 2023, arXiv:2301.00774)
 */
export function narrow(
  { config, params }: { readonly config: DecoderConfig; readonly params: DecoderParams<Tensor> },
  covariance: readonly Matrix[],
  width: number,
): { config: DecoderConfig; params: DecoderParams<Tensor> } {
  const { intermediateSize: f, hiddenSize: d } = config
  const blocks = params.blocks.map((block, b) => {
    const damped = covariance[b]!.clone()
    let trace = 0
    for (let j = 0; j < f; j++) trace += damped.get(j, j) / f
    for (let j = 0; j < f; j++) damped.set(j, j, damped.get(j, j) + 1e-4 * trace)
    const h = Float64Array.from(inverse(damped).to1DArray())
    const w = Float64Array.from({ length: f * d }, (_, k) => block.mlp.down.data[(k % d) * f + Math.floor(k / d)]!)
    const left = new Set(Array.from({ length: f }, (_, j) => j))
    while (left.size > width) {
      let [worst, least] = [-1, Number.POSITIVE_INFINITY]
      for (const j of left) {
        let square = 0
        for (let k = 0; k < d; k++) square += w[j * d + k]! ** 2
        if (square / h[j * f + j]! < least) [worst, least] = [j, square / h[j * f + j]!]
      }
      left.delete(worst)
      const pivot = h[worst * f + worst]!
      const row = h.slice(worst * f, (worst + 1) * f)
      for (const j of left) {
        const factor = row[j]! / pivot
        for (let k = 0; k < d; k++) w[j * d + k]! -= factor * w[worst * d + k]!
        for (const k of left) h[j * f + k]! -= factor * row[k]!
      }
    }
    const kept = [...left]
    const rows = ({ data }: Tensor) =>
      tensor(
        Float32Array.from({ length: width * d }, (_, k) => data[kept[Math.floor(k / d)]! * d + (k % d)]!),
        [width, d],
      )
    const down = tensor(
      Float32Array.from({ length: d * width }, (_, k) => w[kept[k % width]! * d + Math.floor(k / width)]!),
      [d, width],
    )
    return { ...block, mlp: { gate: rows(block.mlp.gate!), up: rows(block.mlp.up), down } }
  })
  return { config: { ...config, intermediateSize: width }, params: { ...params, blocks } }
}
