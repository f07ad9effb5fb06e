import type { Given, Values } from './method.ts'

/** Parameters of all methods that add up weighted differences from a base. */
export function deltaParameters(defaults: { readonly normalize: boolean; readonly rescale: boolean }) {
  return {
    weight: { of: 'other', kind: 'number', about: 'what the difference counts' },
    density: { of: 'other', kind: 'number', default: 1, about: 'share of its entries that are kept' },
    normalize: { of: 'merge', kind: 'switch', default: defaults.normalize, about: 'divide by the sum of the weights' },
    rescale: { of: 'merge', kind: 'switch', default: defaults.rescale, about: 'scale what is kept to the size Σ|δ| it had' },
    lambda: { of: 'merge', kind: 'number', default: 1, about: 'scale of what is added to the base' },
    int8_mask: { of: 'merge', kind: 'switch', default: false, about: 'how masks are kept in memory; changes nothing here' },
  } as const
}
type Shared = Values<ReturnType<typeof deltaParameters>>

/**
 * base + λ Σ w·δ, over Σ w where weights are normalised. With `elect` only those δ count that have the sign of the weighted sum of all, and
 * weights are added up over them. Signs are elected in f32, as they would be on tensors; all else is f64 and rounded once, so that a single δ
 * of weight 1 gives its model back bit for bit. `scales` are those of what is kept; what is not kept equals the base.
 */
export function addDeltas({ base, others }: Given, values: Shared, elect: boolean, scales: readonly number[] = []): Float32Array {
  const { weight, normalize, lambda } = values
  const out = others[0]!
  const from = base!
  const count = others.length
  const total = weight.reduce((a, b) => a + b, 0)
  const all = normalize && Math.abs(total) >= 1e-8 ? total : 1
  const factors = weight.map((w, m) => w * (scales[m] ?? 1))
  for (let i = 0; i < out.length; i++) {
    const b = from[i]!
    let vote = 0
    if (elect) for (let m = 0; m < count; m++) vote = Math.fround(vote + Math.fround((others[m]![i]! - b) * factors[m]!))
    const sign = vote >= 0 ? 1 : -1
    let sum = 0
    let divisor = 0
    for (let m = 0; m < count; m++) {
      const d = (others[m]![i]! - b) * factors[m]!
      if (elect && Math.sign(d) !== sign) continue
      sum += d
      divisor += weight[m]!
    }
    const by = elect && normalize ? divisor || 1 : all
    out[i] = b + (lambda * sum) / by
  }
  return out
}

/** Makes what is not kept equal the base. Returns the factor by which Σ|δ| shrank, where it is to be made up for, else 1. */
export function keepOnly(x: Float32Array, base: Float32Array, rescale: boolean, keeps: (i: number) => boolean): number {
  let before = 0
  let after = 0
  for (let i = 0; i < x.length; i++) {
    const size = Math.abs(x[i]! - base[i]!)
    before += size
    if (keeps(i)) after += size
    else x[i] = base[i]!
  }
  return rescale && before >= 1e-7 && after >= 1e-7 ? before / after : 1
}
