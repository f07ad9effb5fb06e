import type { FilePlace } from '../files/lazy-tensor.ts'
import type { DType, Shape } from '../graph/index.ts'

/** Where an array lies in the engine's memory: offset in bytes, size in numbers. */
export interface Slot {
  readonly offset: number
  readonly size: number
  readonly dtype: DType
  /** Where its numbers lie instead, which are never written to: in a file, and in the memory of whoever maps it. */
  readonly file?: FilePlace
}

/** What the main thread asks of the engine's thread. */
export type Request =
  | { readonly kind: 'allocate'; readonly bytes: number }
  | { readonly kind: 'release'; readonly offset: number }
  | { readonly kind: 'write'; readonly slot: Slot; readonly data: Float32Array | Int32Array }
  | { readonly kind: 'load'; readonly slot: Slot; readonly file: FilePlace }
  | { readonly kind: 'read'; readonly slot: Slot }
  | { readonly kind: 'copy'; readonly from: Slot; readonly to: Slot; readonly blocks: readonly Blocks[] }
  | { readonly kind: 'pick'; readonly from: Slot; readonly to: Slot; readonly rows: readonly number[]; readonly outer: number }
  | {
      readonly kind: 'session'
      readonly id: number
      readonly bytes: Uint8Array
      readonly threads: number
      /** What lies at each place that the bytes name as external data, one array below another; what is mapped from a file is not among it. */
      readonly held: Readonly<Record<string, readonly Slot[]>>
      /** Files that the bytes name are in this folder. */
      readonly folder?: string
      readonly pack: boolean
      readonly profile?: string
    }
  | { readonly kind: 'closeSession'; readonly id: number }
  | { readonly kind: 'kernel'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'update'; readonly id: number; readonly calls: readonly (readonly number[])[] }
  | { readonly kind: 'sumOfSquares'; readonly id: number; readonly slots: readonly Slot[] }
  | {
      readonly kind: 'run'
      readonly id: number
      readonly feeds: readonly Feed[]
      readonly numbers: Readonly<Record<string, BigInt64Array | Float32Array>>
      readonly outputs: readonly Fetch[]
    }

/** Equal runs of numbers, copied from and to places that lie at equal distances in two nested loops. */
export interface Blocks {
  readonly length: number
  readonly fromStart: number
  readonly toStart: number
  readonly outer: Stride
  readonly inner: Stride
}

export interface Stride {
  readonly count: number
  readonly from: number
  readonly to: number
}

export interface Feed {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
  readonly data?: Float32Array | Int32Array
  readonly slot?: Slot
}

/** An output: into a slot, into shared memory, or else returned. */
export interface Fetch {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
  readonly slot?: Slot
  readonly data?: Float32Array | Int32Array
}

/**
 * The first output of the running form, an empty sequence, which ONNX Runtime's Node binding refuses to return. It copies every output into a new
 * array, even those that were given their place (0.55 ms a MB); refusing the first one, it copies none.
 */
export const STOP = '.stop'
