import {
  concat,
  constant,
  demand,
  input,
  reshape,
  ShapeError,
  show,
  sizeOf,
  type Tensor,
  takeRows,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import { tapOf } from '../models/taps.ts'
import { among, type Inside, type Of, type Tokens } from '../objectives/index.ts'
import { type Tree, treeLength } from '../policy/index.ts'
import type { MicroBatch } from './micro-batch.ts'
import { spansOf } from './places.ts'

/** A tap inside a kernel was asked for: the step is traced again, and computes what lies there plainly. */
export class TapInKernel extends ShapeError {
  readonly tap: string
  constructor(tap: string) {
    super(`tap: ${tap} must be asked for before the step is traced`)
    this.tap = tap
  }
}

/** What is known of a custom loss before the first step. */
export interface LossReads {
  /** Taps inside kernels that it reads. */
  readonly asks: ReadonlySet<string>
  /** Whether it reads examples apart. */
  readonly own: boolean
  /** Whether it reads what a prior over goals says. */
  readonly prior: boolean
  /** Whether it is a mean of numbers of single examples. */
  readonly mean: boolean
}

/** What the inside of one micro-batch is read from. */
interface Read {
  readonly taps: ReadonlyMap<string, Value>
  /** Taps inside kernels that are computed. */
  readonly asks: ReadonlySet<string>
  /** The parameters by the names of their inputs. */
  readonly params: Readonly<Record<string, Value>>
  readonly tokenLogps: Value
  readonly rows: number
  readonly length: number
  readonly examples: number
  readonly slots: number
  /** Positions of the longest example, or more. */
  readonly longest: number
  /** What completions lie by. */
  readonly ofSlots: Of
}

/**
 * What a loss can read inside a step. Its inputs are made when they are read: `real.OF` f32[R, T], `own.at` i32[examples, T] and `own.OF`
 * f32[examples, T], `bySlot.at` i32[slots, T], where T is `longest`; `of` says what those are that single examples have.
 */
export function openInside(read: Read): { inside: Inside; bySlot: () => Value; inputs: Record<string, Value>; of: Map<Value, Of> } {
  const { taps, asks, rows, length, examples, slots, longest, tokenLogps } = read
  const inputs: Record<string, Value> = {}
  const of = new Map<Value, Of>()
  const lazily = (name: string, shape: readonly number[], dtype: 'f32' | 'i32' = 'f32') => (inputs[name] ??= input(name, shape, dtype))
  const tap = (name: string) => {
    if (tapOf(name)?.inside && !asks.has(name)) throw new TapInKernel(name)
    return taps.get(name)
  }
  const own = (name: string) => {
    const value = found(tap(name), name, taps)
    const heads = value.shape.length === 4
    const byRow = heads ? transpose(value, [0, 2, 1, 3]) : value
    const [R, T, ...rest] = byRow.shape
    demand(
      R === rows && T === length && !/\.(scores|pattern)$/.test(name),
      () => `loss.perExample: a tap with one value for each token expected, got ${name} ${show(value)}; read it by tap, as the rows lie`,
    )
    const at = lazily('own.at', [examples, longest], 'i32')
    const picked = takeRows(reshape(byRow, [rows * length, ...rest]), at)
    of.set(picked, 'examples')
    return heads ? transpose(picked, [0, 2, 1, 3]) : picked
  }
  let gathered: Value | undefined
  return {
    inputs,
    of,
    inside: {
      tap: (name) => found(tap(name), name, taps),
      real: (which = 'completion') => lazily(`real.${which}`, [rows, length]),
      perExample(number, which = 'completion') {
        const real = lazily(`own.${which}`, [examples, longest])
        of.set(real, 'examples')
        const made = number({ tap: own, real })
        demand(
          made.dtype === 'f32' && made.shape[0] === examples && sizeOf(made.shape) === examples,
          () =>
            `loss.perExample: one f32 for each of ${examples} examples expected, got ${show(made)}; reduce the other axes, as by sum(x, [1])`,
        )
        return reshape(made, [examples])
      },
      params: read.params,
    },
    bySlot() {
      gathered ??= takeRows(concat([tokenLogps, constant(0, [1])], 0), lazily('bySlot.at', [slots, longest], 'i32'))
      of.set(gathered, read.ofSlots)
      return gathered
    },
  }
}

function found(value: Value | undefined, name: string, taps: Read['taps']): Value {
  return value ?? among(taps)(name)
}

/** The tensors for those of its inputs that a graph has. */
export function insideTensors(
  { part, trees, owners, sides }: MicroBatch,
  longest: number,
  names: ReadonlySet<string>,
): Record<string, Tensor> {
  const { rows: R, length: T, wanted } = part.rows
  const spans = trees.map((tree, i) => spansOf(tree, part.starts[i]!.at))
  const positions = (which: Tokens) =>
    owners.map(({ tree, sides: own }) => {
      const { prompt, completions } = spans[tree]!
      const range = (at: number, length: number) => Array.from({ length }, (_, i) => at + i)
      const last = prompt.length - 1
      const before = range(prompt.at, which === 'completion' ? 0 : last)
      const after =
        which === 'prompt' ? [] : [prompt.at + last, ...own.flatMap((side) => range(completions[side]!.at, completions[side]!.length))]
      return [...before, ...after]
    })
  const made: Record<string, () => Tensor> = {
    'own.at': () => tensor(padded(positions('all'), longest, Int32Array), [owners.length, longest], 'i32'),
    'bySlot.at': () => tensor(tokenPlaces(trees, sides, longest, wanted.shape[0]!), [sides.length, longest], 'i32'),
  }
  for (const which of ['completion', 'prompt', 'all'] as const) {
    made[`real.${which}`] = () => {
      const real = new Float32Array(R * T)
      for (const at of positions(which).flat()) real[at] = 1
      return tensor(real, [R, T])
    }
    made[`own.${which}`] = () => {
      const asked = positions(which).map((some) => new Set(some))
      const marks = positions('all').map((all, i) => all.map((at) => (asked[i]!.has(at) ? 1 : 0)))
      return tensor(padded(marks, longest, Float32Array), [owners.length, longest])
    }
  }
  return Object.fromEntries(Object.entries(made).flatMap(([name, make]) => (names.has(name) ? [[name, make()] as const] : [])))
}

/** Where the tokens of each slot are among those asked for, which lie completion by completion; padding has the place after the last. */
function tokenPlaces(trees: readonly Tree[], sides: readonly number[], width: number, tokens: number): Int32Array {
  const lengths = trees.flatMap(({ completions }) => completions.map(({ length }) => length))
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0))
  const places = new Int32Array(sides.length * width).fill(tokens)
  sides.forEach((side, slot) => {
    for (let k = 0; k < lengths[side]!; k++) places[slot * width + k] = starts[side]! + k
  })
  return places
}

function padded<A extends Int32Array | Float32Array>(
  rows: readonly (readonly number[])[],
  width: number,
  make: new (length: number) => A,
): A {
  const flat = new make(rows.length * width)
  for (const [i, row] of rows.entries()) flat.set(row, i * width)
  return flat
}

/** Positions that the longest of some trees takes, rounded up, so that few shapes differ. */
export function longestOf(trees: readonly Tree[]): number {
  return Math.ceil(trees.reduce((most, tree) => Math.max(most, treeLength(tree)), 1) / 16) * 16
}
