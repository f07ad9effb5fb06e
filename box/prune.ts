import { graph, matmul, reshape, type Tensor, takeRows, tensor, transpose, type Value } from 'innate/graph'
import { type DecoderConfig, type DecoderParams, decoder } from 'innate/models'
import { type Policy, packTrees, policyInputs, rowInputs, rowTensors, shapeOf, textTree } from 'innate/policy'
import { inverse, Matrix } from 'ml-matrix'
import type { Story } from './material.ts'

/** Σ a·aᵀ over the tokens of some texts, where a is what a block's MLP holds in the middle. One f64[f, f] a block. */
export async function covariances(policy: Policy, stories: readonly Story[]): Promise<Matrix[]> {
  const { layers, intermediateSize: f } = policy.config
  const sums = Array.from({ length: layers }, () => Matrix.zeros(f, f))
  for (let from = 0; from < stories.length; from += 16) {
    const some = stories.slice(from, from + 16)
    const [batch] = packTrees(
      some.map(({ ids }) => textTree(ids)),
      { shapes: [{ rows: 16, length: 256, wanted: 4096, completions: 16 }] },
    )
    const shape = shapeOf(batch!.rows)
    const program = await policy.program('covariances', () => {
      const { params, inputs } = policyInputs(policy)
      const { tokens, positions, mask, wanted, weights } = rowInputs(shape)
      const found: Record<string, Value> = {}
      const tap = (name: string, x: Value) => {
        if (!name.endsWith('.mlp.act')) return x
        const a = takeRows(reshape(x, [16 * 256, f]), wanted)
        found[name] = matmul(transpose(a), a.mul(reshape(weights, [shape.wanted, 1])))
        return x
      }
      const hidden = decoder(params, { tokens, positions, mask }, policy.config, { tap })
      return graph({ ...inputs, tokens, positions, mask, wanted, weights }, { ...found, last: reshape(hidden, hidden.shape) })
    })
    const { tokens, positions, mask, wanted, weights } = rowTensors(batch!.rows)
    const results = await program.run({ ...policy.given, tokens, positions, mask, wanted, weights })
    sums.forEach((sum, i) => {
      const { data } = results[`blocks.${i}.mlp.act`]!
      for (let k = 0; k < data.length; k++) sum.set(Math.floor(k / f), k % f, sum.get(Math.floor(k / f), k % f) + data[k]!)
    })
  }
  await policy.rest()
  return sums
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
