import { type Tensor, tensor } from '../graph/index.ts'
import type { Batch, Tree } from '../policy/index.ts'
import { checked } from './over-risk.ts'
import { perExample } from './per-example.ts'
import { batchesOf, type Risk, type RiskValue, trained, treesOf, weightOf } from './risk.ts'
import { runBatch } from './run-batch.ts'
import { type Kind, type Places, squaredNorms } from './squared-norms.ts'
import { riskInputs } from './trace-risk.ts'

/** The norms of the gradients of each tree's own loss. */
export interface ExampleNorms extends RiskValue {
  /** ‖g‖ of each tree. */
  readonly norms: readonly number[]
  /** ‖g‖² of each tree, by parameter. */
  readonly squares: Readonly<Record<string, readonly number[]>>
  /** Parameters of which the gradients were taken tree by tree, since they are read in a way that a batch does not tell apart. */
  readonly alone: readonly string[]
}

/**
 * The norm of the gradient of each tree's own loss, of whole batches at a time: of a linear layer from products of its inputs and of its output
 * gradients, without the gradient itself where that is cheaper; of a parameter that is read in several places (a tied head) with the products
 * between them. What a batch does not tell apart is taken tree by tree, as perExample takes all.
 *
 * units   of the loss, per unit of the parameter
 * throws  UserError as perExample
 * limits  a loss of a tree must read that tree alone; adapters, whose layers multiply by W + b·a, are taken tree by tree
 * source  Goodfellow 2015, arXiv:1510.01799; Li et al. 2022, arXiv:2110.05679, section 4
 */
export async function exampleNorms(risk: Risk): Promise<ExampleNorms> {
  const steady = await checked(risk)
  const trees = treesOf(steady)
  const losses = new Float64Array(trees.length)
  const squares: Record<string, number[]> = {}
  const alone = new Set<string>()
  let marks: readonly string[] = []
  for (const batch of batchesOf(steady, trees)) {
    const { places, feeds } = placesOf(steady, batch, trees)
    const found = await runBatch(steady, batch, trees, {
      name: `norms ${places.tokens.length} ${places.wanted.length}`,
      feeds: async (_, inputs) =>
        Object.fromEntries(
          inputs.flatMap((name) => {
            const made = feeds(name)
            return made ? [[name, made]] : []
          }),
        ),
      make: (traced) => squaredNorms(traced, places),
    })
    marks = found.marks
    batch.trees.forEach((tree, i) => {
      losses[tree] = found.losses[i]!
      for (const [name, { data }] of Object.entries(found.outputs)) (squares[name] ??= new Array(trees.length).fill(0))[tree] = data[i]!
    })
    for (const name of Object.keys(steady.policy.given)) if (chosen(steady, name) && !(name in found.outputs)) alone.add(name)
  }
  if (alone.size > 0) {
    const rest = await perExample({ ...steady, wrt: (name) => alone.has(name) }, ({ gradient }) => gradient)
    for (const name of alone)
      squares[name] = rest.values.map((gradient) => (gradient[name]!.data as Float32Array).reduce((sum, x) => sum + x * x, 0))
  }
  const norms = trees.map((_, i) => Math.sqrt(Object.values(squares).reduce((sum, one) => sum + one[i]!, 0)))
  const weight = weightOf(steady, trees.length)
  return {
    risk: losses.reduce((sum, x) => sum + weight * x, 0),
    trees: trees.length,
    reduce: risk.reduce,
    marks,
    norms,
    squares,
    alone: [...alone],
  }
}

function chosen({ policy, wrt }: Risk, name: string): boolean {
  return (wrt ?? trained(policy))(name)
}

/** Where the positions of each tree of a batch lie, and what squaredNorms is fed of them, made when it is asked for. */
function placesOf(risk: Risk, batch: Batch, trees: readonly Tree[]): { places: Places; feeds: (name: string) => Tensor | undefined } {
  const given = riskInputs(risk, batch, trees) as Readonly<Record<string, Tensor>>
  const wanted: number[][] = batch.trees.map(() => [])
  const [completion, owner, weights] = [given.completion!.data, given['treeOf.completion']!.data, given.weights!.data]
  for (let n = 0; n < weights.length; n++) if (weights[n]) wanted[owner[completion[n]!]!]!.push(n)
  const at = { tokens: batch.starts.map(({ at, length }) => Array.from({ length }, (_, i) => at + i)), wanted }
  const lengthOf = (kind: Kind) => 16 * Math.max(1, Math.ceil(Math.max(...at[kind].map(({ length }) => length)) / 16))
  const places: Places = {
    tokens: { count: given.tokens!.data.length, length: lengthOf('tokens') },
    wanted: { count: weights.length, length: lengthOf('wanted') },
  }
  const B = batch.trees.length
  const grid = (a: Kind, b: Kind, number: (p: number, q: number) => number) => {
    const [P, Q] = [places[a].length, places[b].length]
    return {
      shape: [B, P, Q],
      numbers: Array.from({ length: B * P * Q }, (_, i) =>
        number(placeOf(a, Math.floor(i / Q)), placeOf(b, Math.floor(i / (P * Q)) * Q + (i % Q))),
      ),
    }
  }
  const placeOf = (kind: Kind, flat: number) => at[kind][Math.floor(flat / places[kind].length)]![flat % places[kind].length] ?? 0
  return { places, feeds }

  function feeds(name: string): Tensor | undefined {
    const [, what, one = '', two = '', three = ''] = /^norms\.(at|real|same|pick)\.([^.]+)\.?([^.]*)\.?(.*)$/.exec(name) ?? []
    if (what === 'at' || what === 'real') {
      const { length } = places[one as Kind]
      const numbers = Array.from({ length: B * length }, (_, i) => {
        const place = at[one as Kind][Math.floor(i / length)]![i % length]
        return what === 'at' ? (place ?? 0) : Number(place !== undefined)
      })
      return tensor(numbers, [B, length], what === 'at' ? 'i32' : 'f32')
    }
    const rowOf = (index: string) => given[index]!.data
    if (what === 'same') {
      const { shape, numbers } = grid(kindOfIndex(one), kindOfIndex(two), (p, q) => Number(rowOf(one)[p] === rowOf(two)[q]))
      return tensor(numbers, shape)
    }
    if (what !== 'pick') return undefined
    const { shape, numbers } = grid(one as Kind, kindOfIndex(three), (p, q) => p * Number(two) + rowOf(three)[q]!)
    return tensor(numbers, shape, 'i32')
  }
}

function kindOfIndex(name: string): Kind {
  return name === 'targets' ? 'wanted' : 'tokens'
}
