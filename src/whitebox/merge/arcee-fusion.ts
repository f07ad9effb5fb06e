import { mergeMethod } from './method.ts'
import { entryAt } from './order.ts'

const { fround, exp, log } = Math
const floor = fround(1e-8)

/** Takes from the other model the entries that matter most: by their change, times the divergence of their row's softmax. */
export const arceeFusion = mergeMethod({
  name: 'arcee_fusion',
  about: 'θ where |δ| · KL(softmax of its row, of the base) is at least median + 1.5 · (q₇₅ − q₂₅), else the base',
  source: 'Arcee Fusion, 2024, as in mergekit 0.1.5; the threshold is that of Tukey 1977 for outliers, from the median',
  base: 'needed',
  models: { least: 2, most: 2 },
  parameters: {},

  merge({ base, others, shape }) {
    const [a, b] = [base!, others[0]!]
    const importance = importances(b, a, shape.at(-1) ?? 1)
    const order = ordered(importance)
    const at = (q: number) => unordered(entryAt(order, Math.trunc(fround(q * (a.length - 1)))).value)
    const [low, middle, high] = [at(0.25), at(0.5), at(0.75)]
    const least = fround(middle + fround(1.5 * fround(high - low)))
    for (let i = 0; i < a.length; i++) if (unordered(order[i]!) >= least) a[i] = a[i]! + fround(b[i]! - a[i]!)
    return a
  },
})

/** In f32 throughout: between near models the divergence is of the size of what rounding leaves, which decides what is taken. */
function importances(x: Float32Array, base: Float32Array, width: number): Float32Array {
  const out = new Float32Array(x.length)
  const [p, q] = [new Float32Array(width), new Float32Array(width)]
  for (let start = 0; start < x.length; start += width) {
    softmax(x, start, p)
    softmax(base, start, q)
    let divergence = 0
    for (let j = 0; j < width; j++) divergence += fround(p[j]! * fround(log(fround(p[j]! / q[j]!))))
    divergence = fround(divergence)
    for (let j = 0; j < width; j++) out[start + j] = fround(Math.abs(fround(x[start + j]! - base[start + j]!)) * divergence)
  }
  return out
}

/** Softmax of a row, and 1e-8 more. */
function softmax(x: Float32Array, start: number, out: Float32Array) {
  let most = Number.NEGATIVE_INFINITY
  for (let j = 0; j < out.length; j++) most = Math.max(most, x[start + j]!)
  let sum = 0
  for (let j = 0; j < out.length; j++) {
    out[j] = exp(fround(x[start + j]! - most))
    sum += out[j]!
  }
  for (let j = 0; j < out.length; j++) out[j] = fround(out[j]! / fround(sum)) + floor
}

/** f32 numbers as whole numbers in the same order, in their own memory. */
function ordered(x: Float32Array): Uint32Array {
  const bits = new Uint32Array(x.buffer)
  for (let i = 0; i < bits.length; i++) bits[i] = bits[i]! >>> 31 ? ~bits[i]! : bits[i]! | 0x8000_0000
  return bits
}

const one = new Uint32Array(1)
const oneFloat = new Float32Array(one.buffer)

function unordered(bits: number): number {
  one[0] = bits >>> 31 ? bits & 0x7fff_ffff : ~bits
  return oneFloat[0]!
}
