import { UserError } from '../../graph/errors.ts'
import { sumOfWeights } from './linear.ts'
import { mergeMethod } from './method.ts'

/**
 * A weighted mean on the sphere in one step: directions are mapped to the plane that touches the sphere at their mean, averaged there and
 * mapped back; the length is the weighted mean of lengths. Of differences where there is a base.
 */
export const multislerp = mergeMethod({
  name: 'multislerp',
  about: 'the weighted mean of directions, in the plane that touches the sphere at their mean, at the mean length',
  source: 'Buss and Fillmore 2001, doi:10.1145/502122.502124, one step; parameters as in mergekit 0.1.5',
  base: 'may be',
  models: { least: 1 },
  others: { least: 1 },
  parameters: {
    weight: { of: 'other', kind: 'number', about: 'what the model counts' },
    normalize_weights: { of: 'merge', kind: 'switch', default: true, about: 'divide by the sum of the weights' },
    eps: { of: 'merge', kind: 'number', default: 1e-8, about: 'what is added to lengths that are divided by' },
  },

  merge({ name, base, others }, { weight: given, normalize_weights: normalize, eps }) {
    const [out] = others
    if (others.length === 1) return out!
    const total = normalize ? sumOfWeights(name, given) : 1
    const weight = given.map((w) => w / total)
    const at = (m: number, i: number) => others[m]![i]! - (base ? base[i]! : 0)
    const n = out!.length
    const products = gram(others.length, n, at)
    const lengths = products.map((row, m) => Math.sqrt(row[m]!))
    const scale = lengths.map((length) => 1 / (length + eps))
    // The mean of directions, the part of each along it, and what is left of the mean in the plane: all by the products above.
    const meanLength = Math.sqrt(Math.max(0, quadratic(products, weight.map((w, m) => w * scale[m]!)))) // biome-ignore format: one line
    if (meanLength < eps) {
      if (others.length > 2)
        throw new UserError(`${name}: directions that are averaged must not cancel, got weights under which they do; change a weight`)
      for (let i = 0; i < n; i++) out![i] = (base ? base[i]! : 0) + weight[0]! * at(0, i) + weight[1]! * at(1, i)
      return out!
    }
    const along = weight.map((_, m) => products[m]!.reduce((sum, p, k) => sum + p * scale[m]! * scale[k]! * weight[k]!, 0) / meanLength)
    const turned = weight.reduce((sum, w, m) => sum + w * along[m]!, 0)
    // The mean in the plane is Σ (w − turned·w / meanLength)·u.
    const inPlane = weight.map((w, m) => (w - (turned * w) / meanLength) * scale[m]!)
    const far = Math.sqrt(Math.max(0, quadratic(products, inPlane))) + eps
    const length = weight.reduce((sum, w, m) => sum + w * lengths[m]!, 0)
    const factors = weight.map((w, m) => length * ((Math.cos(far) * w * scale[m]!) / meanLength + (Math.sin(far) / far) * inPlane[m]!))
    for (let i = 0; i < n; i++) {
      let sum = base ? base[i]! : 0
      for (let m = 0; m < others.length; m++) sum += factors[m]! * at(m, i)
      out![i] = sum
    }
    return out!
  },
})

/** All products of vectors with one another. */
function gram(count: number, n: number, at: (m: number, i: number) => number): number[][] {
  const products = Array.from({ length: count }, () => new Array<number>(count).fill(0))
  for (let i = 0; i < n; i++)
    for (let a = 0; a < count; a++) {
      const x = at(a, i)
      for (let b = a; b < count; b++) products[a]![b]! += x * at(b, i)
    }
  for (let a = 0; a < count; a++) for (let b = 0; b < a; b++) products[a]![b] = products[b]![a]!
  return products
}

/** The square of the length of Σ c·v, by the products of the v. */
function quadratic(products: readonly (readonly number[])[], c: readonly number[]): number {
  return products.reduce((sum, row, a) => sum + row.reduce((part, p, b) => part + p * c[a]! * c[b]!, 0), 0)
}
