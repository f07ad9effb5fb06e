import { type Tensor, tensor } from '../graph/tensor.ts'

/**
 * Prompts and branches apart: attention takes each segment with what it sees, so that the branches of a tree, and the trees of a row, are not
 * multiplied with each other only to be masked.
 *
 * One row that holds the prompt `a b` and the completions `c d e` and `f g`, whose last tokens are targets and take no position:
 *
 *     position  0 1 2 3 4            segment  queries      keys it sees
 *     token     a b c d f            0        c d = 2 3    a b c d = 0 1 2 3
 *                                    1        f   = 4      a b f   = 0 1 4
 *                                    2        a b = 0 1    a b     = 0 1
 *
 * With Q = 2 the queries lie at c 0, d 1, f 2, nothing 3, a 4, b 5: `queryOf` is 4 5 0 1 2 (by position), `positionOf` is 2 3 4 none 0 1 (by
 * query). `keysOf` lists for a, which three segments see, its three places among the keys.
 *
 * shape   queries i32[P, Q]; keys i32[P, L]; queryOf i32[R·T]; positionOf i32[1, P·Q]; keysOf i32[M, R·T]
 */
export interface Segments {
  /** Flat positions r·T + t of a segment's tokens, which come first; the last of the first segment is one of the rows' padding. */
  readonly queries: Tensor
  /** Flat positions of what it sees: its prompt, if it is a branch, and itself. */
  readonly keys: Tensor
  /** Where a position is among the P·Q queries; all padding is in one place, since it is all alike. */
  readonly queryOf: Tensor
  /** The position that each of the queries is of; R·T where it is none. */
  readonly positionOf: Tensor
  /** Where a position is among the P·L keys, in every segment that sees it; then P·L. */
  readonly keysOf: Tensor
}

/** The numbers P, Q, L and M of segments. */
export interface SegmentShape {
  /** The most segments that see one position. */
  readonly seenBy: number
  readonly count: number
  readonly queries: number
  readonly keys: number
}

type Range = readonly [from: number, length: number]

/** Segments of rows of so many positions, added one by one; `close` returns their tensors and their mask. */
export function openSegments(positions: number, { count, queries: Q, keys: L, seenBy: M }: SegmentShape) {
  const queries = new Int32Array(count * Q)
  const keys = new Int32Array(count * L)
  const queryOf = new Int32Array(positions)
  const positionOf = new Int32Array(count * Q).fill(positions)
  const keysOf = new Int32Array(M * positions).fill(count * L)
  const read = new Uint8Array(positions)
  const see = (position: number, place: number) => {
    keys[place] = position
    keysOf[read[position]!++ * positions + position] = place
  }
  const mask = new Float32Array(count * Q * L).fill(-1e9)
  let segment = 0
  return {
    /** A segment of consecutive positions, which sees all before it and, of itself, what is not later. */
    add([from, length]: Range, before: Range = [0, 0]) {
      if (length === 0) return
      for (let i = 0; i < before[1]; i++) see(before[0] + i, segment * L + i)
      for (let i = 0; i < length; i++) {
        queries[segment * Q + i] = from + i
        see(from + i, segment * L + before[1] + i)
        queryOf[from + i] = segment * Q + i
        positionOf[segment * Q + i] = from + i
        mask.fill(0, (segment * Q + i) * L, (segment * Q + i) * L + before[1] + i + 1)
      }
      segment++
    },
    /** A position that holds no token sees itself. */
    pad(position: number) {
      const first = queries[Q - 1] || position
      queries[Q - 1] = first
      keys[L - 1] = first
      queryOf[position] = Q - 1
      mask[Q * L - 1] = 0
    },
    close: (): { mask: Tensor; segments: Segments } => ({
      mask: tensor(mask, [count, 1, Q, L]),
      segments: {
        queries: tensor(queries, [count, Q]),
        keys: tensor(keys, [count, L]),
        queryOf: tensor(queryOf, [positions]),
        positionOf: tensor(positionOf, [1, count * Q]),
        keysOf: tensor(keysOf, [M, positions]),
      },
    }),
  }
}
