import type { Example, Kind, Objective } from '../objectives/index.ts'
import {
  asksInAttention,
  type Batch,
  type JoinedTree,
  joinTrees,
  LONGEST_JOINED,
  type Packing,
  type Policy,
  packTrees,
  type Tree,
} from '../policy/index.ts'

/** A part of a step that is computed at once: its rows, its examples by their index in the step, and which of the rows' completions are theirs. */
export interface MicroBatch {
  readonly part: Batch
  /** Its trees, in the order of the part's starts. */
  readonly trees: readonly Tree[]
  readonly mine: readonly number[]
  /** Of each example, its tree among `trees` and which of that tree's completions are its own. */
  readonly owners: readonly { readonly tree: number; readonly sides: readonly number[] }[]
  readonly sides: readonly number[]
  /** Whether examples have completions in common, so that `sides` is not simply 0, 1, 2, … */
  readonly shared: boolean
}

/** Each micro-batch in the shape that fits it best, since shapes share one program; a run is as dear as some hundred positions. */
export function packingOf(policy: Policy, tokenBudget = 1024): Packing {
  const { vocabSize, hiddenSize, contextLength, layers, intermediateSize, heads, headDim } = policy.config
  const perToken = layers * hiddenSize * (3 * intermediateSize + 4 * heads * headDim)
  return {
    contextLength,
    tokenBudget,
    whole: asksInAttention(policy),
    lengths: 8,
    wantedMultiple: 8,
    segmentMultiple: 8,
    tight: true,
    // Attention's products are short and its softmax has no product at all: a pair takes twice its share of multiplications.
    cost: { wanted: (vocabSize * hiddenSize) / perToken, run: 400, pair: 4 / (3 * intermediateSize + 4 * heads * headDim) },
  }
}

/** The micro-batches of a step; what examples of one prompt have in common is read once, where the row stays short enough for that to pay. */
export function microBatches({ kind }: Objective, now: readonly Example[], packing: Packing): MicroBatch[] {
  const trees = treesOf(kind, now)
  const shared = kind.perToken || kind.alone ? trees.map(alone) : joinTrees(trees, Math.min(packing.tokenBudget!, LONGEST_JOINED))
  const parts = packTrees(
    shared.map(({ tree }) => tree),
    packing,
  )
  return parts.map((part) => {
    const here = part.trees.map((index) => shared[index]!)
    let first = 0
    const sides = here.flatMap(({ tree, sides }) => {
      const from = first
      first += tree.completions.length
      return sides.flat().map((side) => from + side)
    })
    return {
      part,
      owners: here.flatMap(({ sides }, tree) => sides.map((own) => ({ tree, sides: own }))),
      trees: here.map(({ tree }) => tree),
      mine: here.flatMap(({ members }) => members),
      sides,
      shared: sides.some((side, i) => side !== i),
    }
  })
}

/** The tree that is computed for each example. */
export function treesOf({ treeOf }: Kind, now: readonly Example[]): Tree[] {
  return now.map((example) => treeOf?.(example) ?? example.tree)
}

function alone(tree: Tree, member: number): JoinedTree {
  return { tree, members: [member], sides: [tree.completions.map((_, side) => side)] }
}
