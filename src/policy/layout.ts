import { type Tensor, tensor } from '../graph/tensor.ts'
import { openSegments, type SegmentShape, type Segments } from './segments.ts'
import { type Tree, treeLength } from './tree.ts'

/**
 * Trees laid out for the model: the inputs, who may see whom, and where log-probabilities are wanted.
 *
 * shape   tokens, positions i32[R, T]; mask f32[R, 1, T, T], or f32[P, 1, Q, L] with segments; wanted, targets, completion i32[N];
 *         weights f32[N]
 */
export interface Rows {
  /** R */
  readonly rows: number
  /** T */
  readonly length: number
  readonly tokens: Tensor
  /** Counts on from the prompt in every branch; 0 at padding. */
  readonly positions: Tensor
  /** 0 where query i (third axis) may see key j (fourth axis), -1e9 elsewhere; padding sees itself. With segments it is theirs. */
  readonly mask: Tensor
  /** Where rows are much wider than what one token sees. */
  readonly segments?: Segments
  /** Flat positions r·T + t whose next token is asked for; the last prompt position once per completion. */
  readonly wanted: Tensor
  readonly targets: Tensor
  /** The completion slot that the log-probability is added to. */
  readonly completion: Tensor
  /** 1 for real entries, 0 for padding. */
  readonly weights: Tensor
  /** C: slots in the order of trees, then of completions; slots beyond the real ones stay 0. */
  readonly completions: number
}

/** The numbers that decide which compiled program runs: R, T, N and C of the Rows, and M, P, Q and L of their segments, where there may be any. */
export interface RowShape {
  readonly rows: number
  readonly length: number
  readonly wanted: number
  readonly completions: number
  readonly segments?: SegmentShape
}

/** The segments, if attention takes them instead of rows: not where that spares little, since tokens are gathered and scattered for it. */
export function segmentsOf({ rows, length, segments }: RowShape): SegmentShape | undefined {
  return segments && segments.count * segments.queries * segments.keys < 0.75 * rows * length ** 2 ? segments : undefined
}

/** One micro-batch: its Rows, and what its parts are called outside. */
export interface Batch {
  readonly rows: Rows
  /** Indices of its trees among those given, ascending. */
  readonly trees: readonly number[]
  /** Where each of them lies among the R·T positions, how many it takes, and how many of those are its prompt. */
  readonly starts: readonly { readonly at: number; readonly length: number; readonly prompt: number }[]
  /** Local slot → slot among all completions given; its length is the number of real slots. */
  readonly slots: readonly number[]
  /** Input positions that hold a token; the rest of R·T is padding. */
  readonly used: number
}

/**
 * Writes a batch of trees into tensors of the given shape: tokens, positions, the branch mask and what is wanted.
 * `batch` holds rows of tree indices, `firstSlot` the global slot of each tree's first completion.
 */
export function layOut(
  trees: readonly Tree[],
  batch: readonly (readonly number[])[],
  shape: RowShape,
  firstSlot: readonly number[],
): Batch {
  const { rows: R, length: T, wanted: N, completions: C } = shape
  const segmentShape = segmentsOf(shape)
  const segments = segmentShape && openSegments(R * T, segmentShape)
  const tokens = new Int32Array(R * T)
  const positions = new Int32Array(R * T)
  const mask = segments ? undefined : new Float32Array(R * T * T).fill(-1e9)
  const start = new Map<number, number>()
  let used = 0
  for (let r = 0; r < R; r++) {
    let t = 0
    for (const tree of batch[r] ?? []) {
      start.set(tree, r * T + t)
      t = placeTree(trees[tree]!, r, t)
    }
    used += t
    for (; t < T; t++) {
      if (mask) mask[(r * T + t) * T + t] = 0
      segments?.pad(r * T + t)
    }
  }

  function placeTree({ prompt, completions }: Tree, r: number, begin: number): number {
    let t = begin
    const promptEnd = begin + prompt.length
    prompt.forEach((token, i) => {
      place(token, i, begin, t + 1)
    })
    for (const completion of completions) {
      const branch = t
      for (let k = 0; k < completion.length - 1; k++) place(completion[k]!, prompt.length + k, branch, t + 1)
      segments?.add([r * T + branch, t - branch], [r * T + begin, prompt.length])
    }
    segments?.add([r * T + begin, prompt.length])
    return t

    /** Puts a token at t, which sees the prompt (as far as it stands) and its own branch, itself included. */
    function place(token: number, position: number, from: number, to: number) {
      const at = r * T + t
      tokens[at] = token
      positions[at] = position
      if (from > begin) mask?.fill(0, at * T + begin, at * T + promptEnd)
      mask?.fill(0, at * T + from, at * T + to)
      t = to
    }
  }

  const wanted = new Int32Array(N)
  const targets = new Int32Array(N)
  const completion = new Int32Array(N)
  const weights = new Float32Array(N)
  const order = batch.flat().sort((a, b) => a - b)
  const slots: number[] = []
  let n = 0
  for (const tree of order) {
    const { prompt, completions } = trees[tree]!
    const promptEnd = start.get(tree)! + prompt.length
    let branch = promptEnd
    completions.forEach((ids, c) => {
      ids.forEach((id, k) => {
        wanted[n] = k === 0 ? promptEnd - 1 : branch + k - 1
        targets[n] = id
        completion[n] = slots.length
        weights[n] = 1
        n++
      })
      branch += Math.max(0, ids.length - 1)
      slots.push(firstSlot[tree]! + c)
    })
  }

  const rows: Rows = {
    rows: R,
    length: T,
    tokens: tensor(tokens, [R, T]),
    positions: tensor(positions, [R, T]),
    ...(segments ? segments.close() : { mask: tensor(mask!, [R, 1, T, T]) }),
    wanted: tensor(wanted, [N]),
    targets: tensor(targets, [N]),
    completion: tensor(completion, [N]),
    weights: tensor(weights, [N]),
    completions: C,
  }
  const starts = order.map((tree) => ({ at: start.get(tree)!, length: treeLength(trees[tree]!), prompt: trees[tree]!.prompt.length }))
  return { rows, trees: order, starts, slots, used }
}
