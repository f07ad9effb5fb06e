import { type Resident, sharedTensor } from '../engine/index.ts'
import { writeAtomic } from '../files/index.ts'
import {
  addRows,
  constant,
  type DType,
  demand,
  graph,
  input,
  reshape,
  type Shape,
  show,
  sizeOf,
  type Tensor,
  tensor,
  type Value,
} from '../graph/index.ts'
import type { Adapters } from '../models/adapters.ts'
import type { DecoderConfig } from '../models/config.ts'
import { completionLogps, headBlocks, tokenLogps } from '../models/head.ts'
import type { DecoderParams } from '../models/params.ts'
import { tapsNamed } from '../models/taps.ts'
import { checkIds } from './check-ids.ts'
import { asksInAttention, type Feeds, isInAttention, type Site } from './edit.ts'
import { forward, runInputs, siteTensors } from './forward.ts'
import { addUp, collectRows, type Span, writeRows } from './over-results.ts'
import type { Policy } from './policy.ts'
import { rowInputs, shapeOf } from './row-inputs.ts'
import { type Batch, type Packing, planBatches, type RowShape, type Tree } from './rows.ts'
import { treeLength } from './tree.ts'

/** What a function over many texts sees of a batch of them. */
export interface Seen extends Pick<Site, 'tokens' | 'positions' | 'text' | 'real' | 'completion' | 'input'> {
  /** A value inside the model, edits included. shape [R, T, …], of heads [R, heads, T, …] */
  readonly tap: (name: string) => Value
  /** Log-probability of each completion, f32[completions], nats. */
  readonly logps: Value
  /** Log-probability of each token of each completion, one after the other, f32[N], nats. */
  readonly tokenLogps: Value
  readonly params: DecoderParams<Value>
  readonly adapters?: Adapters<Value>
  /** Sums over the tokens of each tree: f32[R, T, …] → f32[trees, …]. */
  readonly perTree: (x: Value) => Value
}

/** A function of activations: values by name. */
export type See = (seen: Seen) => Readonly<Record<string, Value>>

export interface OverOptions {
  /**
   * What the values belong to. `batch`: any shape, added up over batches in f64, so padding must be left out (`real` is 0 there). `tree`:
   * f32[trees, …]; `completion`: f32[completions, …]; `said`: f32[N, …], a completion's tokens; `token` or `last`: f32[R, T, …]; these come back in the order of what was given,
   * padding gone: a token is a position of a tree, its prompt first, then of every completion all but the last; `last` is the last of these
   * alone. Default `batch`.
   */
  readonly per?: 'batch' | 'tree' | 'completion' | 'said' | 'token' | 'last'
  /** What `input` reads, asked before every batch. */
  readonly feeds?: Feeds
  readonly onBatch?: (done: number, of: number) => void
  readonly signal?: AbortSignal
  readonly packing?: Packing
  /** A safetensors file that rows are written to as they come, so that they need no memory; not for sums. */
  readonly to?: string
  /** How floats are written there. Default f32. */
  readonly dtype?: 'f32' | 'f16'
}

/**
 * A function of activations over many texts: traced once for each shape, run batch by batch, in memory that does not grow with their number
 * beyond what is returned. Its name is what notes and errors call it.
 *
 * shape   per batch: sums in f64, each of the shape that was returned; else f32[count, …] (with `to` in the file, and here without rows)
 * throws  UserError for a tap or an id that the model does not have; ShapeError for a value of another shape than `per` says
 */
export async function over(policy: Policy, trees: readonly Tree[], see: See, options: OverOptions = {}): Promise<Record<string, Tensor>> {
  const { per = 'batch', to, dtype = 'f32' } = options
  if (per === 'batch') {
    demand(
      to === undefined,
      () => `${nameOf(see)}: sums are returned, got the file ${to} to write rows into; leave it out, or say per what`,
    )
    const sums = addUp()
    await eachBatch(policy, trees, see, options, async (values) => sums.add(values))
    return sums.done()
  }
  const rows = rowsOf(per, trees)
  if (to === undefined) {
    const collected = collectRows(rows.total, rows.lead)
    await eachBatch(policy, trees, see, options, async (values, batch) => collected.add(values, rows.spans(batch)))
    return collected.done()
  }
  let shapes: Record<string, Tensor> = {}
  await writeAtomic(to, async (handle) => {
    const written = writeRows(handle, rows.total, rows.lead, dtype)
    await eachBatch(policy, trees, see, options, (values, batch) => written.add(values, rows.spans(batch)))
    shapes = written.done()
  })
  return shapes
}

/**
 * Runs the function over batch after batch. The numbers of one are written over by the next, or, where they go into a file, by the one after
 * that, which is computed meanwhile.
 */
async function eachBatch(
  policy: Policy,
  trees: readonly Tree[],
  see: See,
  { per = 'batch', feeds, onBatch, signal, packing, to }: OverOptions,
  use: (values: Readonly<Record<string, Tensor>>, batch: Batch) => Promise<void>,
): Promise<void> {
  const place = nameOf(see)
  trees.forEach(({ prompt, completions }, i) => {
    for (const ids of [prompt, ...completions]) checkIds(`${place}: ids of tree ${i}`, ids, policy.config)
  })
  if (trees.length === 0) return
  const packed = { contextLength: policy.config.contextLength, tokenBudget: 1024, ...packing }
  const asked = tapsInside(policy, see, trees, packed)
  const whole = asksInAttention(policy) || [...asked].some(isInAttention)
  const batches = planBatches(trees, { ...packed, whole })
  const most = Math.ceil(Math.max(...batches.map(({ trees }) => trees)) / 8) * 8
  const sets = Array.from({ length: to === undefined ? 1 : 2 }, () => new Map<string, Tensor>())
  let used = Promise.resolve()
  for (const [i, { layOut }] of batches.entries()) {
    const buffers = sets[i % sets.length]!
    if (sets.length === 1 || signal?.aborted) await used
    signal?.throwIfAborted()
    const batch = layOut()
    const shape = shapeOf(batch.rows)
    const key = `${place} per ${per} ${most} ${JSON.stringify(shape)}`
    const program = await policy.program(key, () => traceOver(policy, see, { per, shape, most, asked }), [see])
    const into = Object.entries(program.graph.outputs).map(([name, type]) => {
      const buffer = buffers.get(`${name} ${show(type)}`) ?? sharedTensor(type)
      buffers.set(`${name} ${show(type)}`, buffer)
      return [name, buffer] as const
    })
    const run = program.run(inputsOf(policy, batch, feeds), Object.fromEntries(into))
    // Whatever fails, nothing is left running behind the caller's back.
    await Promise.allSettled([run, used])
    await Promise.all([run, used])
    const values = Object.fromEntries(into.map(([name, value]) => [name.slice(OUTPUT.length), value]))
    used = use(values, batch)
    used.catch(() => {})
    onBatch?.(i + 1, batches.length)
  }
  await used
}

const OUTPUT = 'over.value.'

/** What notes and errors call a function. */
function nameOf(see: See): string {
  return see.name || 'over'
}

function inputsOf(policy: Policy, batch: Batch, feeds: Feeds | undefined): Record<string, Tensor | Resident> {
  const { rows, length } = batch.rows
  const tree = new Int32Array(rows * length)
  batch.starts.forEach(({ at, length }, i) => {
    tree.fill(i, at, at + length)
  })
  const fed = Object.entries(feeds?.() ?? {}).map(([name, one]) => [`over.${name}`, one] as const)
  return { ...runInputs(policy, batch), ...siteTensors(batch), 'over.tree': tensor(tree, [rows * length]), ...Object.fromEntries(fed) }
}

interface Tracing {
  readonly per: NonNullable<OverOptions['per']>
  readonly shape: RowShape
  /** Trees of a batch at most. */
  readonly most: number
  readonly asked: ReadonlySet<string>
}

function traceOver(policy: Policy, see: See, { per, shape, most, asked }: Tracing, onTap?: (name: string) => void) {
  const rows = rowInputs(shape)
  const taps = new Map<string, Value>()
  const { params, adapters, hidden, inputs, site } = forward(policy, rows, {
    path: 'rows',
    asks: (name) => asked.has(name),
    look: (name, x) => taps.set(name, x),
  })
  const own: Record<string, Value> = {}
  const read = (name: string, of: Shape, dtype: DType = 'f32') => (own[`over.${name}`] ??= input(`over.${name}`, of, dtype))
  const places = shape.rows * shape.length
  const seen: Omit<Seen, 'tokens' | 'positions' | 'text' | 'real' | 'completion'> = {
    tap(name) {
      const [known] = tapsNamed(nameOf(see), name, policy.config)
      onTap?.(known!)
      return taps.get(known!)!
    },
    get logps() {
      return completionLogps(this.tokenLogps, rows.completion, rows.weights, shape.completions)
    },
    get tokenLogps() {
      const blocks = headBlocks(policy.config, shape.wanted, { trained: false })
      return tokenLogps(params, hidden, rows.wanted, rows.targets, policy.config, { blocks })
    },
    params,
    ...(adapters ? { adapters } : {}),
    input: read,
    perTree(x) {
      const width = sizeOf(x.shape) / places
      const real = reshape(x, [places, width]).mul(reshape(site.real, [places, 1]))
      return reshape(addRows(constant(0, [most, width]), read('tree', [places], 'i32'), real), [most, ...x.shape.slice(2)])
    },
  }
  const found = see(Object.create(site, Object.getOwnPropertyDescriptors(seen)))
  const eachPlace = [shape.rows, shape.length]
  const lead = { batch: [], tree: [most], completion: [shape.completions], said: [shape.wanted], token: eachPlace, last: eachPlace }[per]
  for (const [name, x] of Object.entries(found))
    demand(
      lead.every((n, axis) => x.shape[axis] === n),
      () => `${nameOf(see)}: ${name} must be f32[${lead.join(', ')}, …] to be a value per ${per}, got ${show(x)}`,
    )
  // Users may name a value as an input is named.
  return graph({ ...inputs, ...rows, ...own }, Object.fromEntries(Object.entries(found).map(([name, x]) => [OUTPUT + name, x])))
}

/** The taps inside kernels that a function asks for: it is traced once with all of them there. */
function tapsInside(policy: Policy, see: See, trees: readonly Tree[], packing: Packing): ReadonlySet<string> {
  const known = askedBy.get(see) ?? new WeakMap<DecoderConfig, ReadonlySet<string>>()
  askedBy.set(see, known)
  const before = known.get(policy.config)
  if (before) return before
  const [first] = planBatches(trees.slice(0, 1), { ...packing, whole: true })
  const asked = new Set<string>()
  const all = { has: () => true } as unknown as ReadonlySet<string>
  traceOver(policy, see, { per: 'batch', shape: first!.shape, most: 8, asked: all }, (name) => asked.add(name))
  known.set(policy.config, asked)
  return asked
}
const askedBy = new WeakMap<See, WeakMap<DecoderConfig, ReadonlySet<string>>>()

/** How many rows there will be of all trees, and where those of a batch are. */
function rowsOf(per: 'tree' | 'completion' | 'said' | 'token' | 'last', trees: readonly Tree[]) {
  const said = ({ completions }: Tree) => completions.reduce((sum, { length }) => sum + length, 0)
  const counts = trees.map(
    (tree) => ({ tree: 1, completion: tree.completions.length, said: said(tree), token: treeLength(tree), last: 1 })[per],
  )
  let total = 0
  const starts = counts.map((count) => (total += count) - count)
  const spans = ({ trees: here, starts: places }: Batch): Span[] => {
    let slot = 0
    return here.map((tree, i) => {
      const count = counts[tree]!
      const { at, length } = places[i]!
      const from = { tree: i, completion: slot, said: slot, token: at, last: at + length - 1 }[per]
      slot += count
      return { from, to: starts[tree]!, count }
    })
  }
  return { total, spans, lead: per === 'token' || per === 'last' ? 2 : 1 }
}
