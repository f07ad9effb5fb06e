import { UserError } from '../graph/errors.ts'
import { type Batch, layOut, type RowShape, segmentsOf } from './layout.ts'
import type { SegmentShape } from './segments.ts'
import { checkTrees, reachOf, segmentLengths, type Tree, treeLength } from './tree.ts'

export { type Batch, type RowShape, type Rows, segmentsOf } from './layout.ts'
export type { SegmentShape, Segments } from './segments.ts'
export { type Tree, textTree, treeLength } from './tree.ts'

export interface Packing {
  /** The most input positions R·T of one batch, unless a single tree takes more. Default 2048. */
  readonly tokenBudget?: number
  /** Lengths T may take: a list, or the number they are multiples of. Default 64. */
  readonly lengths?: number | readonly number[]
  /** N is rounded up to a multiple of this. Default 64. */
  readonly wantedMultiple?: number
  /** Attention takes rows whole, never segments: some look inside it. Default false. */
  readonly whole?: boolean
  /** Q and L are rounded up to a multiple of this. Default 16. */
  readonly segmentMultiple?: number
  /** The model's context: no branch may read more positions than this. */
  readonly contextLength?: number
  /** What is weighed when shapes are chosen, in units of one input position. Default: wanted 1, run 100. */
  readonly cost?: RowCost
  /** Use only these shapes (see rowShapes). Default: one shape for the whole call, fitted to it. */
  readonly shapes?: readonly RowShape[]
  /** Without `shapes`: every batch in a shape that is fitted to it alone, for less padding and more shapes. Default false. */
  readonly tight?: boolean
}

/** Work in units of one input position passing through the model's blocks. */
export interface RowCost {
  /** One wanted position passing through the head: about vocabulary · width / parameters of all blocks. */
  readonly wanted: number
  /** One run, whatever its size: reading the gradients back. */
  readonly run: number
  /** A query and a key that attention multiplies. Default 1/2048: a quarter of a small decoder's work where 512 positions see each other. */
  readonly pair?: number
}

/**
 * Packs the trees of one optimizer step into batches of Rows: several trees to a row, first-fit decreasing, never splitting a tree.
 * All batches of a call have one shape, since every distinct shape is traced, unless they are to be tight; an epoch of calls shares `shapes`
 * from rowShapes.
 *
 * A tree that is longer than the budget is a batch by itself.
 *
 * throws  UserError when a tree is longer than the context or every length allowed, or fits no shape given
 * limits  padding is 1 − Σ used / Σ R·T: under 1 % for a call of a thousand dialogue pairs, about 20 % for steps of eight that share two shapes
 */
export function packTrees(trees: readonly Tree[], packing: Packing = {}): Batch[] {
  return planBatches(trees, packing).map(({ layOut }) => layOut())
}

/** A batch of packTrees before it is laid out. */
export interface PlannedBatch {
  readonly shape: RowShape
  /** How many trees it has. */
  readonly trees: number
  readonly layOut: () => Batch
}

/** The batches of packTrees, to be laid out one by one: those of many texts together would take much memory. */
export function planBatches(trees: readonly Tree[], packing: Packing = {}): PlannedBatch[] {
  if (trees.length === 0) return []
  checkTrees(trees, packing.contextLength)
  const { shapes, tight, tokenBudget = 2048, lengths = 64 } = packing
  const firstSlot = firstSlots(trees)
  const planned = (indices: readonly number[], how: Packing): PlannedBatch[] => {
    const here = indices.map((i) => trees[i]!)
    const ways = tight && !shapes ? tightly(here, how) : fitting(here, shapes ?? rowShapes([here], how, 1))
    return cheapest(ways, (way) => total(way, how)).map(({ bin, shape }) => {
      const own = bin.map((row) => row.map((i) => indices[i]!))
      return { shape, trees: own.flat().length, layOut: () => layOut(trees, own, shape, firstSlot) }
    })
  }
  // With a list of lengths it is for the list to say what is too long.
  const step = typeof lengths === 'number' ? lengths : 1
  const room = trees.map((tree) => Math.ceil(treeLength(tree) / step) * step)
  const isLong = (i: number) => !shapes && room[i]! > tokenBudget
  const all = trees.map((_, i) => i)
  const fit = all.filter((i) => !isLong(i))
  return [
    ...(fit.length > 0 ? planned(fit, packing) : []),
    ...all.filter(isLong).flatMap((i) => planned([i], { ...packing, tokenBudget: room[i]! })),
  ]
}

/** Every length and every number of rows to a batch: rows about as full lie together, and each batch is as long as its fullest row. */
function tightly(trees: readonly Tree[], packing: Packing): { bin: Bin; shape: RowShape }[][] {
  const sizes = trees.map(treeLength)
  const longest = Math.max(...sizes)
  const lengths = candidateLengths(longest, packing, 0)
  return lengths
    .filter((length) => length >= longest)
    .flatMap((capacity) => {
      const filled = (row: readonly number[]) => row.reduce((sum, tree) => sum + sizes[tree]!, 0)
      const rows = firstFitDecreasing(sizes, capacity).sort((a, b) => filled(b) - filled(a))
      const most = Math.min(rowBudget(packing, capacity), rows.length)
      return Array.from({ length: most }, (_, fewer) =>
        chunks(rows, most - fewer).map((bin) => {
          const length = lengths.find((enough) => enough >= filled(bin[0]!))!
          return { bin, shape: roundUp(needOf(trees, length, bin), packing) }
        }),
      )
    })
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}

/**
 * Chooses at most `limit` shapes that fit every step of an epoch at the least work, padding and the cost of a run counted.
 * One length T serves all steps; the shapes differ in R, N and C. Every shape is a compiled program with memory of its own.
 *
 * throws  UserError as packTrees
 */
export function rowShapes(steps: readonly (readonly Tree[])[], packing: Omit<Packing, 'shapes'> = {}, limit = 2): RowShape[] {
  const real = steps.filter((trees) => trees.length > 0)
  if (real.length === 0) return []
  for (const trees of real) checkTrees(trees, packing.contextLength)
  const plans = candidateLengths(Math.max(...real.map(longestTree)), packing).flatMap((length) => {
    const packed = real.map((trees) => firstFitDecreasing(trees.map(treeLength), length))
    const most = Math.min(rowBudget(packing, length), Math.max(...packed.map((rows) => rows.length)))
    return Array.from({ length: most }, (_, fewer) => {
      const needs = packed.flatMap((rows, i) => deal(rows, most - fewer).map((bin) => roundUp(needOf(real[i]!, length, bin), packing)))
      return merge(needs, limit, packing)
    })
  })
  return cheapest(plans, (plan) => total(plan, packing)).map(({ shape }) => shape)
}

/** The rows of one batch, each a list of trees by their index. */
type Bin = readonly (readonly number[])[]

function firstFitDecreasing(sizes: readonly number[], capacity: number): number[][] {
  const order = sizes.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]! || a - b)
  const rows: { trees: number[]; free: number }[] = []
  for (const tree of order) {
    let row = rows.find(({ free }) => free >= sizes[tree]!)
    if (!row) rows.push((row = { trees: [], free: capacity }))
    row.trees.push(tree)
    row.free -= sizes[tree]!
  }
  return rows.map(({ trees }) => trees)
}

/** Deals rows out in turn, so that rows of long trees and rows of many short ones mix and all batches want about as much. */
function deal(rows: Bin, rowsPerBatch: number): Bin[] {
  const count = Math.ceil(rows.length / rowsPerBatch)
  return Array.from({ length: count }, (_, b) => rows.filter((_, r) => r % count === b))
}

/** For every length among the shapes: the batches with the smallest shape that each fits. */
function fitting(trees: readonly Tree[], shapes: readonly RowShape[]): { bin: Bin; shape: RowShape }[][] {
  const longest = longestTree(trees)
  const lengths = [...new Set(shapes.map(({ length }) => length))].filter((length) => length >= longest)
  const ways = lengths.map((length) => {
    const usable = shapes.filter((shape) => shape.length === length)
    const rows = firstFitDecreasing(trees.map(treeLength), length)
    return deal(rows, Math.max(...usable.map((shape) => shape.rows))).map((bin) => {
      const need = needOf(trees, length, bin)
      const roomy = usable.filter((shape) => fits(shape, need))
      return { bin, shape: roomy.length > 0 ? cheapest(roomy, (shape) => workOf(shape, {})) : undefined }
    })
  })
  const whole = ways.filter((way): way is { bin: Bin; shape: RowShape }[] => way.every(({ shape }) => shape !== undefined))
  if (whole.length > 0) return whole
  const got = shapes.map(({ rows, length, wanted, completions }) => `${rows}×${length} with ${wanted} wanted of ${completions}`).join(', ')
  throw new UserError(
    `packTrees: the shapes must have room for these ${trees.length} trees, the longest of ${longest} positions, got ${got || 'none'}; plan the shapes with rowShapes over all steps`,
  )
}

/** Merges the needs into at most `limit` shapes, each time the two whose union costs least. */
function merge(needs: readonly RowShape[], limit: number, packing: Packing): { shape: RowShape; count: number }[] {
  const groups: { shape: RowShape; count: number }[] = []
  for (const need of needs) {
    const group = groups.find(({ shape }) => shape.rows === need.rows && shape.wanted === need.wanted)
    if (!group) groups.push({ shape: need, count: 1 })
    else Object.assign(group, { shape: larger(group.shape, need), count: group.count + 1 })
  }
  while (groups.length > limit) {
    const unions = groups.flatMap((a, i) =>
      groups.slice(i + 1).map((b) => {
        const union = { shape: larger(a.shape, b.shape), count: a.count + b.count }
        return { a, b, union, rise: total([union], packing) - total([a, b], packing) }
      }),
    )
    const { a, b, union } = cheapest(unions, ({ rise }) => rise)
    groups.splice(groups.indexOf(b), 1)
    groups[groups.indexOf(a)] = union
  }
  return groups
}

/** Lengths worth trying: from the shortest that holds `least` to twice the one that holds the longest tree, since attention grows with the length. */
function candidateLengths(longest: number, { lengths = 64, tokenBudget = 2048 }: Packing, least = longest): number[] {
  const all = typeof lengths === 'number' ? Array.from({ length: Math.floor(tokenBudget / lengths) }, (_, i) => (i + 1) * lengths) : lengths
  const usable = all.filter((length) => length <= tokenBudget).sort((a, b) => a - b)
  const enough = usable.find((length) => length >= longest)
  if (enough !== undefined) return usable.filter((length) => length >= least && length <= 2 * enough)
  throw new UserError(
    `packTrees: a tree must fit into one row of at most ${Math.min(tokenBudget, Math.max(0, ...all))} positions, got one of ${longest}; raise tokenBudget or lengths, or shorten or split the tree`,
  )
}

function rowBudget({ tokenBudget = 2048 }: Packing, length: number): number {
  return Math.floor(tokenBudget / length)
}

function workOf(shape: RowShape, { cost = { wanted: 1, run: 100 } }: Packing): number {
  const { rows, length, wanted } = shape
  const segments = segmentsOf(shape)
  const seen = segments ? segments.count * segments.queries * segments.keys : rows * length ** 2
  return rows * length + seen * (cost.pair ?? 1 / 2048) + cost.wanted * wanted + cost.run
}

function total(batches: readonly { readonly shape: RowShape; readonly count?: number }[], packing: Packing): number {
  return batches.reduce((sum, { shape, count = 1 }) => sum + count * workOf(shape, packing), 0)
}

function cheapest<T>(candidates: readonly T[], cost: (candidate: T) => number): T {
  return candidates.map((candidate) => ({ candidate, cost: cost(candidate) })).reduce((best, next) => (next.cost < best.cost ? next : best))
    .candidate
}

type Need = Required<RowShape>

function needOf(trees: readonly Tree[], length: number, bin: Bin): Need {
  const here = bin.flat().map((tree) => trees[tree]!)
  const completions = here.flatMap((tree) => tree.completions)
  const wanted = completions.reduce((sum, completion) => sum + completion.length, 0)
  const lengths = here.flatMap(segmentLengths)
  // One more query and key than any segment has: the padding's.
  const seenBy = 1 + Math.max(0, ...here.map(({ completions }) => completions.filter(({ length }) => length > 1).length))
  const segments = { seenBy, count: lengths.length, queries: 1 + Math.max(0, ...lengths), keys: 1 + Math.max(0, ...here.map(reachOf)) }
  return { rows: bin.length, length, wanted, completions: completions.length, segments }
}

function roundUp({ segments, ...shape }: Need, { wantedMultiple = 64, segmentMultiple = 16, whole }: Packing): RowShape {
  const up = (n: number, multiple: number) => Math.max(1, Math.ceil(n / multiple)) * multiple
  const { queries, keys } = segments
  return {
    ...shape,
    wanted: up(shape.wanted, wantedMultiple),
    ...(whole ? {} : { segments: { ...segments, queries: up(queries, segmentMultiple), keys: up(keys, segmentMultiple) } }),
  }
}

function larger(a: RowShape, b: RowShape): RowShape {
  return {
    rows: Math.max(a.rows, b.rows),
    length: Math.max(a.length, b.length),
    wanted: Math.max(a.wanted, b.wanted),
    completions: Math.max(a.completions, b.completions),
    ...(a.segments && b.segments ? { segments: largerSegments(a.segments, b.segments) } : {}),
  }
}

function largerSegments(a: SegmentShape, b: SegmentShape): SegmentShape {
  const most = (key: keyof SegmentShape) => Math.max(a[key], b[key])
  return { seenBy: most('seenBy'), count: most('count'), queries: most('queries'), keys: most('keys') }
}

/** Whether the shape has room for what is needed; rows that are seen whole have room for any segments. */
function fits({ segments, ...shape }: RowShape, need: Need): boolean {
  const room =
    shape.rows >= need.rows && shape.length >= need.length && shape.wanted >= need.wanted && shape.completions >= need.completions
  const roomy = (key: keyof SegmentShape) => !segments || segments[key] >= need.segments[key]
  return room && roomy('seenBy') && roomy('count') && roomy('queries') && roomy('keys')
}

function firstSlots(trees: readonly Tree[]): number[] {
  let slot = 0
  return trees.map(({ completions }) => (slot += completions.length) - completions.length)
}

function longestTree(trees: readonly Tree[]): number {
  return trees.reduce((most, tree) => Math.max(most, treeLength(tree)), 0)
}
