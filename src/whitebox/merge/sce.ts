import { mergeMethod } from './method.ts'
import { entryAt } from './order.ts'

/** Keeps the entries that vary most between models, weighs each model by its squares, and averages those that have the elected sign. */
export const sce = mergeMethod({
  name: 'sce',
  about: 'base + mean of the δ of entries that vary most, models weighed by Σδ², of the elected sign',
  source: 'Wan et al. 2024, arXiv:2408.07990, section 3.3',
  base: 'needed',
  models: { least: 1 },
  parameters: {
    select_topk: { of: 'merge', kind: 'number', default: 1, about: 'share of the entries that vary which are kept' },
    int8_mask: { of: 'merge', kind: 'switch', default: false, about: 'how masks are kept in memory; changes nothing here' },
  },

  merge({ base, others }, { select_topk: share }) {
    const from = base!
    if (others.length === 0) return from
    if (share < 1) keepVaried(from, others, share)
    const squares = others.map((x) => {
      let sum = 0
      for (let i = 0; i < x.length; i++) sum += (x[i]! - from[i]!) ** 2
      return sum / x.length
    })
    const total = squares.reduce((a, b) => a + b, 0)
    const weight = squares.map((square) => (total < 1e-6 ? 1 / others.length : square / total))
    const out = others[0]!
    for (let i = 0; i < out.length; i++) {
      let vote = 0
      for (const x of others) vote = Math.fround(vote + Math.fround(x[i]! - from[i]!))
      const sign = vote >= 0 ? 1 : -1
      let [sum, divisor] = [0, 0]
      for (let m = 0; m < others.length; m++) {
        const d = others[m]![i]! - from[i]!
        if (Math.sign(d) !== sign) continue
        sum += weight[m]! * d
        divisor += weight[m]!
      }
      out[i] = from[i]! + sum / Math.max(divisor, 1e-6)
    }
    return out
  },
})

/** Makes all entries equal the base but those that vary most between the models. */
function keepVaried(base: Float32Array, others: readonly Float32Array[], share: number) {
  const n = base.length
  const variance = new Float32Array(n)
  let varied = 0
  for (let i = 0; i < n; i++) {
    let [mean, square, count] = [0, 0, 0]
    for (const x of others) {
      const d = Math.fround(x[i]! - base[i]!)
      const step = d - mean
      mean += step / ++count
      square += step * (d - mean)
    }
    variance[i] = square / count
    if (variance[i] !== 0) varied++
  }
  const kept = share <= 0 ? 0 : Math.trunc(Math.fround(Math.fround(varied) * Math.fround(share)))
  const bits = new Uint32Array(variance.buffer)
  const { value, smaller } = kept > 0 ? entryAt(bits, n - kept) : { value: Number.POSITIVE_INFINITY, smaller: n }
  let equal = 0
  for (let i = 0; i < n; i++) if (bits[i]! === value) equal++
  let room = kept - (n - smaller - equal)
  for (let i = 0; i < n; i++) if (!(bits[i]! > value || (bits[i]! === value && room-- > 0))) for (const x of others) x[i] = base[i]!
}
