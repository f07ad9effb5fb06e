import { reshape, type Shape, slice, type Tensor, takeRows, tensor, type Value } from '../graph/index.ts'
import { type Edit, edited, type Model, over, type See, type Site } from '../policy/index.ts'
import { tokenFirst } from './taps.ts'

/** Values that a run of a text is given at taps, without the axis of rows: what comes before them is not computed unless something else reads it. */
export type Given = Readonly<Record<string, Tensor>>

/** Positions that are computed at a time. */
const tokensAtOnce = 1024

/** Runs in batches of as many each, so that one program does: the last batch is filled up with its first run. */
export function batchesOf<T>(runs: readonly T[], length: number): { readonly own: readonly T[]; readonly filled: readonly T[] }[] {
  if (runs.length === 0) return []
  const count = Math.ceil(runs.length / Math.max(1, Math.floor(tokensAtOnce / length)))
  const R = Math.ceil(runs.length / count)
  return Array.from({ length: Math.ceil(runs.length / R) }, (_, b) => {
    const own = runs.slice(b * R, (b + 1) * R)
    return { own, filled: Array.from({ length: R }, (_, r) => own[r] ?? own[0]!) }
  })
}

/**
 * What a function sees of every run of one text, each with its own values at the same taps.
 *
 * shape   what is seen, [R, T, …], comes back as [T, …] for each run
 */
export async function givenRuns(
  { policy }: Pick<Model, 'policy'>,
  tokens: readonly number[],
  runs: readonly Given[],
  see: See,
  signal?: AbortSignal,
): Promise<Record<string, Tensor>[]> {
  const T = tokens.length
  const at = Object.keys(runs[0] ?? {})
  const found: Record<string, Tensor>[] = []
  for (const { own, filled } of batchesOf(runs, T)) {
    signal?.throwIfAborted()
    const fed = Object.fromEntries(at.map((tap) => [`given.${tap}`, stacked(filled.map((run) => run[tap]!))] as const))
    const under = at.length > 0 ? edited(policy, giveEdit, { at, feeds: () => fed }) : policy
    const packing = { lengths: [T], tokenBudget: filled.length * T, wantedMultiple: 1 }
    const trees = filled.map(() => ({ prompt: tokens, completions: [] }))
    const seen = Object.entries(await over(under, trees, see, { per: 'token', packing }))
    for (let r = 0; r < own.length; r++) found.push(Object.fromEntries(seen.map(([name, x]) => [name, rowsOf(x, r * T, T)])))
  }
  return found
}

function rowsOf({ data, shape }: Tensor, from: number, count: number): Tensor {
  const width = shape.slice(1).reduce((product, n) => product * n, 1)
  return tensor(Float32Array.from(data.subarray(from * width, (from + count) * width)), [count, ...shape.slice(1)])
}

/** One value a run, one after the other. shape f32[runs, size] */
function stacked(values: readonly Tensor[]): Tensor {
  const size = values[0]!.data.length
  const all = new Float32Array(values.length * size)
  for (const [r, { data }] of values.entries()) all.set(data, r * size)
  return tensor(all, [values.length, size])
}

/** Puts in the place of a value what its run is given. */
const giveEdit: Edit = (name, { shape }, at) => ofRun(at.input(`given.${name}`, [shape[0]!, sizeOfRow(shape)]), shape, at)

/** Numbers of each run, [R, size], in the shape of a value, [R, …]: a row holds one text. */
export function ofRun(fed: Value, shape: Shape, { text }: Pick<Site, 'text'>): Value {
  return reshape(takeRows(fed, reshape(slice(text, 1, 0, 1), [shape[0]!])), shape)
}

/** How many numbers one row of a value has. */
export function sizeOfRow(shape: Shape): number {
  return shape.slice(1).reduce((product, n) => product * n, 1)
}

/** A function that returns taps with the token before the head, the same one for the same taps, since programs are kept by it. */
export function tokenFirstTaps(names: readonly string[]): See {
  const key = names.join()
  const known = sees.get(key)
  if (known) return known
  const see: See = ({ tap }) => Object.fromEntries(names.map((name) => [name, tokenFirst(tap(name))]))
  Object.defineProperty(see, 'name', { value: `given:${key}` })
  sees.set(key, see)
  return see
}
const sees = new Map<string, See>()

/** shape  [T, heads, n] → [heads, T, n]; [T, …] as it is */
export function headsFirst({ data, shape }: Tensor): Tensor {
  const [T, heads, n] = shape
  if (n === undefined) return tensor(Float32Array.from(data), shape)
  const turned = new Float32Array(data.length)
  const from = Float32Array.from(data)
  for (let t = 0; t < T!; t++)
    for (let h = 0; h < heads!; h++) turned.set(from.subarray((t * heads! + h) * n, (t * heads! + h + 1) * n), (h * T! + t) * n)
  return tensor(turned, [heads!, T!, n])
}
