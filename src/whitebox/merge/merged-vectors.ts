/** One tensor of a merge: what went in, by model, and what came out. */
export interface MergedTensor {
  readonly name: string
  readonly models: readonly string[]
  readonly tensors: readonly Float32Array[]
  /** Place of the base among the models; −1 for none. */
  readonly base: number
  readonly out: Float32Array
}

/** How far models of a merge lie from its base, in one block or in all. */
export interface BlockVectors {
  /** `block 0`, `embed`, …; `all` for the whole. */
  readonly group: string
  readonly layer?: number
  /** Frobenius, of the base or, without one, of the result. */
  readonly reference: number
  /** By model, and `result`: the norm of its difference from the reference. */
  readonly norms: ReadonlyMap<string, number>
  /** By two of these, `a | b`: the cosine between their differences. */
  readonly cosines: ReadonlyMap<string, number>
}

/** Two names as one key. */
export function pairOf(a: string, b: string): string {
  return `${a} | ${b}`
}

/** What the result of a merge is called among its models. */
export const resultName = 'result'

/**
 * Adds up, tensor by tensor, norms of task vectors and the products between them: differences from the base, of the result too; without a base differences
 * from the result.
 */
export function mergedVectors(): {
  see(tensor: MergedTensor): void
  done(): { readonly all: BlockVectors; readonly blocks: readonly BlockVectors[] }
} {
  const sums = new Map<string, { layer: number | undefined; reference: number; products: Map<string, number> }>()
  const add = (group: string, layer: number | undefined, reference: number, products: ReadonlyMap<string, number>) => {
    const sum = sums.get(group) ?? { layer, reference: 0, products: new Map<string, number>() }
    sums.set(group, sum)
    sum.reference += reference
    for (const [pair, x] of products) sum.products.set(pair, (sum.products.get(pair) ?? 0) + x)
  }
  return {
    see({ name, models, tensors, base, out }) {
      const from = base < 0 ? out : tensors[base]!
      const vectors = [
        ...tensors.flatMap((data, m) => (m === base ? [] : [[models[m]!, data] as const])),
        ...(base < 0 ? [] : [[resultName, out] as const]),
      ]
      const products = new Map<string, number>()
      for (const [i, [a, x]] of vectors.entries()) for (const [b, y] of vectors.slice(i)) products.set(pairOf(a, b), product(x, y, from))
      const [layer] = /(?<=\.)\d+(?=\.)/.exec(name) ?? []
      const part =
        layer !== undefined ? `block ${layer}` : /embed|wte|wpe/.test(name) ? 'embedding' : /norm|ln_f/.test(name) ? 'last norm' : 'head'
      for (const [group, at] of [[part, layer], ['all', undefined]] as const) add(group, at === undefined ? undefined : Number(at), square(from), products) // biome-ignore format: one line
    },
    done() {
      const told = [...sums].map(([group, { layer, reference, products }]): BlockVectors => {
        const norms = new Map([...products].flatMap(([pair, x]) => (pair.split(' | ')[0] === pair.split(' | ')[1] ? [[pair.split(' | ')[0]!, Math.sqrt(x)]] : []))) // biome-ignore format: one line
        const cosines = new Map(
          [...products].map(([pair, x]) => {
            const [a, b] = pair.split(' | ') as [string, string]
            const size = norms.get(a)! * norms.get(b)!
            return [pair, size === 0 ? 0 : x / size]
          }),
        )
        return { group, ...(layer === undefined ? {} : { layer }), reference: Math.sqrt(reference), norms, cosines }
      })
      return { all: told.find(({ group }) => group === 'all')!, blocks: told.filter(({ group }) => group !== 'all') }
    },
  }
}

/** Σ (x − from)(y − from), in f64. */
function product(x: Float32Array, y: Float32Array, from: Float32Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += (x[i]! - from[i]!) * (y[i]! - from[i]!)
  return sum
}

function square(x: Float32Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!
  return sum
}
