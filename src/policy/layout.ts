import { type Tensor, tensor } from '../graph/tensor.ts'
import { type Tree, treeLength } from './tree.ts'

/**
 * Trees laid out for the model: the inputs, who may see whom, and where log-probabilities are wanted.
 *
 * shape   tokens, positions i32[R, T]; mask f32[R, 1, T, T], or f32[P, 1, Q, L] with pieces; wanted, targets, completion i32[N];
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
  /** 0 where query i (third axis) may see key j (fourth axis), -1e9 elsewhere; padding sees itself. With pieces it is theirs. */
  readonly mask: Tensor
  /** Where rows are much wider than what one token sees. */
  readonly pieces?: Pieces
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

/**
 * Prompts and branches apart: attention takes each piece with what it sees, so that the branches of a tree, and the trees of a row, are not
 * multiplied with each other only to be masked.
 *
 * shape   queries i32[P, Q]; keys i32[P, L]; homes i32[R·T]; origins i32[1, P·Q]; readers i32[M, R·T]
 */
export interface Pieces {
  /** Flat positions r·T + t of a piece's tokens, which come first; the last of the first piece is one of the rows' padding. */
  readonly queries: Tensor
  /** Flat positions of what it sees: its prompt, if it is a branch, and itself. */
  readonly keys: Tensor
  /** Where a position is among the P·Q queries; all padding is in one place, since it is all alike. */
  readonly homes: Tensor
  /** The position that each of the queries is of; R·T where it is none. */
  readonly origins: Tensor
  /** Where a position is among the P·L keys, in every piece that sees it; then P·L. */
  readonly readers: Tensor
}

/** The numbers that decide which compiled program runs: R, T, N and C of the Rows, and M, P, Q and L of their pieces, where there may be any. */
export interface RowShape {
  readonly rows: number
  readonly length: number
  readonly wanted: number
  readonly completions: number
  readonly pieces?: PieceShape
}

export interface PieceShape {
  /** The most pieces that see one position. */
  readonly readers: number
  readonly count: number
  readonly queries: number
  readonly keys: number
}

/** The pieces, if attention takes them instead of rows: not where that spares little, since tokens are gathered and scattered for it. */
export function apart({ rows, length, pieces }: RowShape): PieceShape | undefined {
  return pieces && pieces.count * pieces.queries * pieces.keys < 0.75 * rows * length ** 2 ? pieces : undefined
}

/** One micro-batch: its Rows, and what its parts are called outside. */
export interface Batch {
  readonly rows: Rows
  /** Indices of its trees among those given, ascending. */
  readonly trees: readonly number[]
  /** Where each of them lies among the R·T positions, and how many it takes. */
  readonly starts: readonly { readonly at: number; readonly length: number }[]
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
  const pieceShape = apart(shape)
  const pieces = pieceShape && openPieces(R * T, pieceShape)
  const tokens = new Int32Array(R * T)
  const positions = new Int32Array(R * T)
  const mask = pieces ? undefined : new Float32Array(R * T * T).fill(-1e9)
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
      pieces?.pad(r * T + t)
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
      pieces?.add([r * T + branch, t - branch], [r * T + begin, prompt.length])
    }
    pieces?.add([r * T + begin, prompt.length])
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
    ...(pieces ? pieces.close() : { mask: tensor(mask!, [R, 1, T, T]) }),
    wanted: tensor(wanted, [N]),
    targets: tensor(targets, [N]),
    completion: tensor(completion, [N]),
    weights: tensor(weights, [N]),
    completions: C,
  }
  const starts = order.map((tree) => ({ at: start.get(tree)!, length: treeLength(trees[tree]!) }))
  return { rows, trees: order, starts, slots, used }
}

type Range = readonly [from: number, length: number]

function openPieces(positions: number, { count, queries: Q, keys: L, readers: M }: PieceShape) {
  const queries = new Int32Array(count * Q)
  const keys = new Int32Array(count * L)
  const homes = new Int32Array(positions)
  const origins = new Int32Array(count * Q).fill(positions)
  const readers = new Int32Array(M * positions).fill(count * L)
  const read = new Uint8Array(positions)
  const see = (position: number, place: number) => {
    keys[place] = position
    readers[read[position]!++ * positions + position] = place
  }
  const mask = new Float32Array(count * Q * L).fill(-1e9)
  let piece = 0
  return {
    /** A piece of consecutive positions, which sees all before it and, of itself, what is not later. */
    add([from, length]: Range, before: Range = [0, 0]) {
      if (length === 0) return
      for (let i = 0; i < before[1]; i++) see(before[0] + i, piece * L + i)
      for (let i = 0; i < length; i++) {
        queries[piece * Q + i] = from + i
        see(from + i, piece * L + before[1] + i)
        homes[from + i] = piece * Q + i
        origins[piece * Q + i] = from + i
        mask.fill(0, (piece * Q + i) * L, (piece * Q + i) * L + before[1] + i + 1)
      }
      piece++
    },
    /** A position that holds no token sees itself. */
    pad(position: number) {
      const first = queries[Q - 1] || position
      queries[Q - 1] = first
      keys[L - 1] = first
      homes[position] = Q - 1
      mask[Q * L - 1] = 0
    },
    close: (): Pick<Rows, 'mask' | 'pieces'> => ({
      mask: tensor(mask, [count, 1, Q, L]),
      pieces: {
        queries: tensor(queries, [count, Q]),
        keys: tensor(keys, [count, L]),
        homes: tensor(homes, [positions]),
        origins: tensor(origins, [1, count * Q]),
        readers: tensor(readers, [M, positions]),
      },
    }),
  }
}
