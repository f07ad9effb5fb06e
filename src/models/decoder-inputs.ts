import type { Tap, Value } from '../graph/index.ts'
import type { Adapters } from './adapters.ts'

/** What a decoder reads: see Rows of src/policy. */
export interface DecoderInputs {
  readonly tokens: Value
  readonly positions: Value
  readonly mask: Value
  /** Attention takes segments instead of rows, see Segments: all five or none. */
  readonly queries?: Value
  readonly keys?: Value
  readonly queryOf?: Value
  readonly positionOf?: Value
  readonly keysOf?: Value
}

export interface DecoderOptions {
  /** Names values on the way, and may replace them. */
  readonly tap?: Tap
  /**
   * Whether somebody looks at a tap that lies inside a kernel, or replaces it: what the kernel computes is then written out. Default: nobody.
   * Where attention takes segments it has no tap inside.
   */
  readonly asks?: (tap: string) => boolean
  readonly adapters?: Adapters<Value>
  /** Tokens before those of each row, one entry per block: keys and values f32[R, kvHeads, S, headDim]. */
  readonly past?: PastInPlace | PastInFront
  /** Called with every block's keys and values [R, kvHeads, T, headDim], those of the past among them, for a cache. */
  readonly onKeysValues?: (block: number, k: Value, v: Value) => void
}

interface Past {
  readonly blocks: readonly { readonly keys: Value; readonly values: Value }[]
}

/**
 * Row r has used the first lengths[r] columns, and its one token takes the next; or its tokens are its first ones, as many as there are columns
 * (see attendFirst). The mask is not read, and scores and pattern are tapped where somebody asks.
 */
interface PastInPlace extends Past {
  readonly lengths: Value
}

/** All columns are in use, and those of this pass come after them. The masks f32[R or 1, 1, T, S + T] say who sees whom. */
interface PastInFront extends Past {
  /** The mask of blocks with a window. */
  readonly windowed: Value
  /** Positions are below this number. */
  readonly longest: number
}

/** A linear layer with its bias and its adapter, by its path in the block. */
export type Dense = (x: Value, weight: Value, bias: Value | undefined, path: string) => Value
