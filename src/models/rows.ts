import { UserError } from '../graph/errors.ts'
import { type Tensor, tensor } from '../graph/tensor.ts'

/**
 * What one row is made of: a prompt once, and any number of completions branching from it.
 * A pair is a tree with two completions, a group of samples one with many, plain text one with a single completion.
 *
 * limits  the prompt is not empty; an empty completion is a slot whose log-probability is 0
 */
export interface Tree {
  readonly prompt: readonly number[]
  readonly completions: readonly (readonly number[])[]
}

/**
 * Trees laid out for the model: the inputs, who may see whom, and where log-probabilities are wanted.
 *
 * shape   tokens, positions i32[R, T]; mask f32[R, 1, T, T]; wanted, targets, completion i32[N]; weights f32[N]
 */
export interface Rows {
  /** R */
  readonly rows: number
  /** T */
  readonly length: number
  readonly tokens: Tensor
  /** Counts on from the prompt in every branch; 0 at padding. */
  readonly positions: Tensor
  /** 0 where query i (third axis) may see key j (fourth axis), -1e9 elsewhere; padding sees itself. */
  readonly mask: Tensor
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

/** The four numbers that decide which compiled program runs: R, T, N and C of the Rows. */
export interface RowShape {
  readonly rows: number
  readonly length: number
  readonly wanted: number
  readonly completions: number
}

/** One micro-batch: its Rows, and what its parts are called outside. */
export interface Batch {
  readonly rows: Rows
  /** Indices of its trees among those given, ascending. */
  readonly trees: readonly number[]
  /** Local slot → slot among all completions given; its length is the number of real slots. */
  readonly slots: readonly number[]
  /** Input positions that hold a token; the rest of R·T is padding. */
  readonly used: number
}

export interface Packing {
  /** The most input positions R·T of one batch. Default 2048. */
  readonly tokenBudget?: number
  /** Lengths T may take: a list, or the number they are multiples of. Default 64. */
  readonly lengths?: number | readonly number[]
  /** N is rounded up to a multiple of this. Default 128. */
  readonly wantedMultiple?: number
  /** The model's context: no branch may read more positions than this. */
  readonly contextLength?: number
  /** Use only these shapes (see rowShapes). Default: one shape for the whole call, fitted to it. */
  readonly shapes?: readonly RowShape[]
}

/**
 * Packs the trees of one optimizer step into batches of Rows: several trees to a row, first-fit decreasing, never splitting a tree.
 * All batches of a call have one shape, since every distinct shape costs a compilation; an epoch of calls shares `shapes` from rowShapes.
 *
 * throws  UserError when a tree is longer than the context, the budget or every length allowed
 * limits  padding is what rounding costs: 1 − Σ used / Σ R·T, usually 5–25 % (the fewer trees in a call, the more)
 */
export function packTrees(trees: readonly Tree[], packing: Packing = {}): Batch[] {
  if (trees.length === 0) return []
  checkContext(trees, packing.contextLength)
  const bins = packing.shapes ? binsWithin(trees, packing.shapes) : cheapestBins(trees, packing)
  const shapes = packing.shapes ?? [covering(trees, bins, packing)]
  const firstSlot = firstSlots(trees)
  return bins.batches.map((batch) => {
    const shape = smallestFitting(shapes, needOf(trees, bins.length, batch))
    return layOut(trees, batch, shape, firstSlot)
  })
}

/**
 * Chooses at most `limit` shapes that fit every step of an epoch, so that as little as possible is padding.
 * One length T serves all steps; the shapes differ in R, N and C.
 *
 * throws  UserError as packTrees
 */
export function rowShapes(steps: readonly (readonly Tree[])[], packing: Omit<Packing, 'shapes'> = {}, limit = 2): RowShape[] {
  const real = steps.filter((trees) => trees.length > 0)
  if (real.length === 0) return []
  for (const trees of real) checkContext(trees, packing.contextLength)
  const longest = Math.max(...real.map(longestTree))
  const plans = candidateLengths(longest, packing).map((length) => real.map((trees) => binsOf(trees, length, rowBudget(packing, length))))
  const plan = cheapest(plans, (bins) => bins.reduce((sum, b) => sum + costOf(b), 0))
  const needs = plan.flatMap((bins, i) => bins.batches.map((batch) => needOf(real[i]!, bins.length, batch)))
  const groups = partition(needs, limit)
  return groups.map((group) => roundUp(group.reduce(larger), packing))
}

/**
 * Plain text as a tree: the first token is the prompt and the rest its one completion.
 *
 * throws  UserError when there is no token
 */
export function textTree(tokens: readonly number[]): Tree {
  if (tokens.length === 0) throw new UserError('textTree: a text must have at least one token, got none; leave empty texts out')
  return { prompt: tokens.slice(0, 1), completions: [tokens.slice(1)] }
}

/** How many input positions a tree takes: its prompt once, and of every completion all tokens but the last, which is only ever a target. */
export function treeLength(tree: Tree): number {
  return tree.completions.reduce((sum, completion) => sum + Math.max(0, completion.length - 1), tree.prompt.length)
}

/** Trees in rows, rows in batches; a tree is its index among those given. */
interface Bins {
  readonly length: number
  readonly batches: readonly (readonly (readonly number[])[])[]
}

function binsOf(trees: readonly Tree[], length: number, rowsPerBatch: number): Bins {
  const rows = firstFitDecreasing(trees.map(treeLength), length)
  const count = Math.ceil(rows.length / rowsPerBatch)
  // Dealt out in turn, so that rows of long trees and rows of many short ones mix and N is alike in all batches.
  const batches = Array.from({ length: count }, (_, b) => rows.filter((_, r) => r % count === b))
  return { length, batches }
}

function firstFitDecreasing(sizes: readonly number[], capacity: number): number[][] {
  const order = sizes.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]! || a - b)
  const rows: { trees: number[]; free: number }[] = []
  for (const tree of order) {
    let row = rows.find(({ free }) => free >= sizes[tree]!)
    if (!row) rows.push((row = { trees: [], free: capacity }))
    row.trees.push(tree)
    row.free -= sizes[tree]!
  }
  return rows.map(({ trees }) => trees.sort((a, b) => a - b))
}

function cheapestBins(trees: readonly Tree[], packing: Packing): Bins {
  const candidates = candidateLengths(longestTree(trees), packing).map((length) => binsOf(trees, length, rowBudget(packing, length)))
  return cheapest(candidates, costOf)
}

function binsWithin(trees: readonly Tree[], shapes: readonly RowShape[]): Bins {
  const longest = longestTree(trees)
  const fitting = [...new Set(shapes.map(({ length }) => length))].filter((length) => length >= longest)
  if (fitting.length === 0) {
    throw new UserError(
      `packTrees: one shape must be as long as the longest tree, got lengths ${shapes.map(({ length }) => length).join(', ') || 'none'} and a tree of ${longest}; plan the shapes with rowShapes over all steps`,
    )
  }
  const candidates = fitting.map((length) =>
    binsOf(trees, length, Math.max(...shapes.filter((shape) => shape.length === length).map(({ rows }) => rows))),
  )
  return cheapest(candidates, costOf)
}

/** Lengths worth trying: from the shortest that holds the longest tree to twice that, since attention grows with the length. */
function candidateLengths(longest: number, { lengths = 64, tokenBudget = 2048 }: Packing): number[] {
  const shortest = typeof lengths === 'number' ? multiple(longest, lengths) : Math.min(...lengths.filter((length) => length >= longest))
  if (shortest > tokenBudget || shortest === Infinity) {
    const most = Array.isArray(lengths) ? Math.min(tokenBudget, Math.max(...lengths)) : tokenBudget
    throw new UserError(
      `packTrees: a tree must fit into one row of at most ${most} positions, got one of ${longest}; raise tokenBudget or lengths, or shorten or split the tree`,
    )
  }
  const upTo = Math.min(tokenBudget, 2 * shortest)
  if (typeof lengths !== 'number') return lengths.filter((length) => length >= shortest && length <= upTo).sort((a, b) => a - b)
  return Array.from({ length: Math.floor((upTo - shortest) / lengths) + 1 }, (_, i) => shortest + i * lengths)
}

function rowBudget({ tokenBudget = 2048 }: Packing, length: number): number {
  return Math.floor(tokenBudget / length)
}

/** Work in units of positions; the quadratic part is attention, a quarter of a small decoder's work at 512 positions. */
function costOf({ length, batches }: Bins): number {
  const rows = batches.length * Math.max(...batches.map((batch) => batch.length))
  return rows * length * (1 + length / 2048)
}

function cheapest<T>(candidates: readonly T[], cost: (candidate: T) => number): T {
  return candidates.reduce((best, next) => (cost(next) < cost(best) ? next : best))
}

function needOf(trees: readonly Tree[], length: number, batch: readonly (readonly number[])[]): RowShape {
  const completions = batch.flat().flatMap((tree) => trees[tree]!.completions)
  const wanted = completions.reduce((sum, completion) => sum + completion.length, 0)
  return { rows: batch.length, length, wanted, completions: completions.length }
}

function covering(trees: readonly Tree[], bins: Bins, packing: Packing): RowShape {
  return roundUp(bins.batches.map((batch) => needOf(trees, bins.length, batch)).reduce(larger), packing)
}

function larger(a: RowShape, b: RowShape): RowShape {
  return {
    rows: Math.max(a.rows, b.rows),
    length: Math.max(a.length, b.length),
    wanted: Math.max(a.wanted, b.wanted),
    completions: Math.max(a.completions, b.completions),
  }
}

function roundUp(shape: RowShape, { wantedMultiple = 128 }: Packing): RowShape {
  return { ...shape, wanted: Math.max(wantedMultiple, multiple(shape.wanted, wantedMultiple)) }
}

function smallestFitting(shapes: readonly RowShape[], need: RowShape): RowShape {
  const size = ({ rows, wanted }: RowShape) => rows * need.length + wanted
  const fitting = shapes.filter(
    (shape) =>
      shape.length === need.length && shape.rows >= need.rows && shape.wanted >= need.wanted && shape.completions >= need.completions,
  )
  if (fitting.length === 0) {
    throw new UserError(
      `packTrees: a shape must hold ${need.rows} rows of ${need.length} with ${need.wanted} wanted positions and ${need.completions} completions, got ${shapes.map(({ rows, length, wanted, completions }) => `${rows}×${length}/${wanted}/${completions}`).join(', ')}; plan the shapes with rowShapes over all steps`,
    )
  }
  return cheapest(fitting, size)
}

/** Cuts the needs, ordered by rows, into at most `limit` groups so that the rows rounded up to each group's largest are fewest. */
function partition(needs: readonly RowShape[], limit: number): RowShape[][] {
  const sorted = [...needs].sort((a, b) => a.rows - b.rows)
  const heights = [...new Set(sorted.map(({ rows }) => rows))]
  const upTo = heights.map((height) => sorted.filter(({ rows }) => rows <= height).length)
  // best[h] = the cheapest way to serve all needs of at most heights[h] rows with the shapes allowed so far.
  let best = heights.map((height, h) => ({ cost: upTo[h]! * height, cuts: [h] }))
  for (let shapes = 2; shapes <= limit; shapes++) {
    best = heights.map((height, h) => {
      const ways = best.slice(0, h).map(({ cost, cuts }, g) => ({ cost: cost + (upTo[h]! - upTo[g]!) * height, cuts: [...cuts, h] }))
      return cheapest([best[h]!, ...ways], ({ cost }) => cost)
    })
  }
  const cuts = best.at(-1)!.cuts
  return cuts.map((h, i) => sorted.slice(i === 0 ? 0 : upTo[cuts[i - 1]!]!, upTo[h]!))
}

function layOut(trees: readonly Tree[], batch: readonly (readonly number[])[], shape: RowShape, firstSlot: readonly number[]): Batch {
  const { rows: R, length: T, wanted: N, completions: C } = shape
  const tokens = new Int32Array(R * T)
  const positions = new Int32Array(R * T)
  const mask = new Float32Array(R * T * T).fill(-1e9)
  const start = new Map<number, number>()
  let used = 0
  for (let r = 0; r < R; r++) {
    let t = 0
    for (const tree of batch[r] ?? []) {
      start.set(tree, r * T + t)
      t = placeTree(trees[tree]!, r, t)
    }
    used += t
    for (; t < T; t++) mask[(r * T + t) * T + t] = 0
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
    }
    return t

    /** Puts a token at t, which sees the prompt (as far as it stands) and its own branch, itself included. */
    function place(token: number, position: number, from: number, to: number) {
      const at = r * T + t
      tokens[at] = token
      positions[at] = position
      if (from > begin) mask.fill(0, at * T + begin, at * T + promptEnd)
      mask.fill(0, at * T + from, at * T + to)
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
    mask: tensor(mask, [R, 1, T, T]),
    wanted: tensor(wanted, [N]),
    targets: tensor(targets, [N]),
    completion: tensor(completion, [N]),
    weights: tensor(weights, [N]),
    completions: C,
  }
  return { rows, trees: order, slots, used }
}

function firstSlots(trees: readonly Tree[]): number[] {
  let slot = 0
  return trees.map(({ completions }) => (slot += completions.length) - completions.length)
}

function longestTree(trees: readonly Tree[]): number {
  return trees.reduce((most, tree) => Math.max(most, treeLength(tree)), 0)
}

function multiple(n: number, of: number): number {
  return Math.ceil(n / of) * of
}

function checkContext(trees: readonly Tree[], contextLength = Infinity) {
  trees.forEach(({ prompt, completions }, i) => {
    if (prompt.length === 0) {
      throw new UserError(
        `packTrees: the prompt of tree ${i} must have at least one token, got none; start it with the tokenizer's first token`,
      )
    }
    const longest = completions.reduce((most, { length }) => Math.max(most, length), 0)
    const reads = prompt.length + Math.max(0, longest - 1)
    if (reads > contextLength) {
      throw new UserError(
        `packTrees: tree ${i} must fit the context of ${contextLength} tokens, got a prompt of ${prompt.length} and a completion of ${longest}; shorten or leave it out`,
      )
    }
  })
}
