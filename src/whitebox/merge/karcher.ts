import { mergeMethod } from './method.ts'
import { between, dot, norm } from './sphere.ts'

/** The direction whose angles to all models, squared and added, are least, at the mean length: steps of gradient descent on the sphere. */
export const karcher = mergeMethod({
  name: 'karcher',
  about: 'the Karcher mean of directions, at the mean length',
  source: 'Karcher 1977, doi:10.1002/cpa.3160300502; Buss and Fillmore 2001, doi:10.1145/502122.502124',
  base: 'one of the models',
  models: { least: 1 },
  parameters: {
    max_iter: { of: 'merge', kind: 'whole', default: 10, about: 'steps at most' },
    tol: { of: 'merge', kind: 'number', default: 1e-5, about: 'a step shorter than this is the last, and so long must a tensor be' },
  },

  merge({ tensors }, { max_iter: steps, tol }) {
    if (tensors.length === 1) return tensors[0]!
    const lengths = tensors.map(norm)
    const scale = lengths.reduce((a, b) => a + b, 0) / lengths.length
    const used = tensors.filter((_, m) => lengths[m]! > tol)
    const inverse = lengths.filter((length) => length > tol).map((length) => 1 / length)
    const mean = new Float32Array(tensors[0]!.length)
    if (used.length === 0) return mean
    combine(mean, 0, used, inverse.map((s) => s / used.length)) // biome-ignore format: one line
    const start = norm(mean)
    if (start < tol) combine(mean, 0, [used[0]!], [inverse[0]!])
    else combine(mean, 1 / start, [], [])
    for (let step = 0; step < steps; step++) {
      // The tangent is Σ f·(u − c·mean), with f the share times angle / sine.
      const cosines = used.map((v, m) => between(-1, 1, dot(mean, v) * inverse[m]!))
      const factors = cosines.map((c) => {
        const angle = Math.acos(c)
        return angle < tol ? 0 : angle / Math.sin(angle) / used.length
      })
      const back = factors.reduce((sum, f, m) => sum + f * cosines[m]!, 0)
      const far = tangentLength(mean, back, used, factors.map((f, m) => f * inverse[m]!)) // biome-ignore format: one line
      if (far < tol) break
      const turn = Math.sin(far) / far
      combine(mean, Math.cos(far) - turn * back, used, factors.map((f, m) => turn * f * inverse[m]!)) // biome-ignore format: one line
      const length = norm(mean)
      if (length > tol) combine(mean, 1 / length, [], [])
    }
    combine(mean, scale, [], [])
    return mean
  },
})

/** out = keep·out + Σ c·v */
function combine(out: Float32Array, keep: number, vectors: readonly Float32Array[], c: readonly number[]) {
  for (let i = 0; i < out.length; i++) {
    let sum = keep * out[i]!
    for (let m = 0; m < vectors.length; m++) sum += c[m]! * vectors[m]![i]!
    out[i] = sum
  }
}

function tangentLength(mean: Float32Array, back: number, vectors: readonly Float32Array[], c: readonly number[]): number {
  let square = 0
  for (let i = 0; i < mean.length; i++) {
    let sum = -back * mean[i]!
    for (let m = 0; m < vectors.length; m++) sum += c[m]! * vectors[m]![i]!
    square += sum * sum
  }
  return Math.sqrt(square)
}
