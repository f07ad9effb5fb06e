import { input } from '../graph/index.ts'
import { type RowShape, type Rows, type SegmentShape, segmentsOf } from './rows.ts'

/** The inputs that Rows become in a graph. */
export function rowInputs(shape: RowShape) {
  const { rows: R, length: T, wanted: N } = shape
  const segments = segmentsOf(shape)
  return {
    tokens: input('tokens', [R, T], 'i32'),
    positions: input('positions', [R, T], 'i32'),
    ...(segments ? segmentInputs(R * T, segments) : { mask: input('mask', [R, 1, T, T]) }),
    wanted: input('wanted', [N], 'i32'),
    targets: input('targets', [N], 'i32'),
    completion: input('completion', [N], 'i32'),
    weights: input('weights', [N]),
  }
}

function segmentInputs(positions: number, { count, queries, keys, seenBy }: SegmentShape) {
  return {
    mask: input('mask', [count, 1, queries, keys]),
    queries: input('queries', [count, queries], 'i32'),
    keys: input('keys', [count, keys], 'i32'),
    queryOf: input('queryOf', [positions], 'i32'),
    positionOf: input('positionOf', [1, count * queries], 'i32'),
    keysOf: input('keysOf', [seenBy, positions], 'i32'),
  }
}

/** The tensors for those inputs. */
export function rowTensors({ tokens, positions, mask, segments, wanted, targets, completion, weights }: Rows) {
  return { tokens, positions, mask, ...segments, wanted, targets, completion, weights }
}

/** The part of Rows that a compiled program depends on. */
export function shapeOf(rows: Rows): RowShape {
  const { length, completions, segments } = rows
  const shape = { rows: rows.rows, length, wanted: rows.wanted.shape[0]!, completions }
  if (!segments) return shape
  const [count, queries] = segments.queries.shape as [number, number]
  return { ...shape, segments: { count, queries, keys: segments.keys.shape[1]!, seenBy: segments.keysOf.shape[0]! } }
}
