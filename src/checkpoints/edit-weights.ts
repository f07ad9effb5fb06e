import { isTensor, leaves, type Tensor, tensor } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'
import { type DecoderParams, decoderParams } from '../models/params.ts'
import { tapNames, tapsNamed } from '../models/taps.ts'
import { type ActivationAct, type EditFile, isOfWeights, tensorsOf, type WeightAct } from './edit-file.ts'

/** What a list of edits comes to: changes of weights, in order, and what can only be done to activations. */
export interface PlannedEdits {
  readonly weights: readonly (readonly [edit: EditFile, act: WeightAct])[]
  /** What is taken out of all that writes to the residual stream, after all other changes of weights. */
  readonly projected: readonly Projection[]
  /** The edits with their acts on activations alone. */
  readonly kept: readonly EditFile[]
}

/** x − Σ write·(read·x) + constant, where read·write = 1 and 0 between two of them: done again it changes nothing, so it may be done to each part of a sum. */
interface Projection {
  readonly read: readonly Float64Array[]
  readonly write: readonly Float64Array[]
  readonly constant: Float64Array
}

/**
 * Sorts what edits do. With `identities` a directional ablation or an eraser (`affine`) of the whole residual stream becomes its identity in weights, where that is
 * exact: no norm stands between a writer and the stream, no other edit acts on activations, and none of several undoes another.
 *
 * source  Arditi et al. 2024, arXiv:2406.11717, section 4.1; Belrose et al. 2023, arXiv:2306.03819, for erasers that are not orthogonal
 */
export function planEdits(config: DecoderConfig, edits: readonly EditFile[], { identities = false } = {}): PlannedEdits {
  const all = edits.flatMap((edit) => edit.acts.map((act) => [edit, act] as const))
  const weights = all.filter((one): one is [EditFile, WeightAct] => isOfWeights(one[1]))
  const others = all.filter((one): one is [EditFile, ActivationAct] => !isOfWeights(one[1]))
  const projected = others.flatMap(([edit, act]) => projectionOf(edit, act, config) ?? [])
  const exact = identities && (config.normed ?? 'before') === 'before' && projected.length === others.length && stayApart(projected)
  if (exact) return { weights, projected, kept: [] }
  return { weights, projected: [], kept: edits.flatMap(onActivations) }
}

/** Where an ablation or an eraser acts that has an identity in weights: the residual stream at its beginning and after every writer. */
export function residualStream(config: DecoderConfig): string[] {
  return tapNames(config).filter((tap) => /^embed$|^blocks\.\d+\.(mid|out)$/.test(tap))
}

function projectionOf({ tensors }: EditFile, act: ActivationAct, config: DecoderConfig): Projection | undefined {
  if ((act.kind !== 'ablate' && act.kind !== 'affine') || act.positions !== 'all') return undefined
  if (tapsNamed('edit', act.at, config).join() !== residualStream(config).join()) return undefined
  if (act.kind === 'ablate') {
    const r = unit(tensors[act.direction]!)
    return { read: [r], write: [r], constant: new Float64Array(r.length) }
  }
  const [{ data: rows, shape }, { data: columns }, { data: mean }] = [tensors[act.read]!, tensors[act.write]!, tensors[act.mean]!]
  const [k, d] = shape as [number, number]
  const each = (of: (i: number, j: number) => number) =>
    Array.from({ length: k }, (_, i) => Float64Array.from({ length: d }, (_, j) => of(i, j)))
  const [read, write] = [each((i, j) => rows[i * d + j]!), each((i, j) => columns[j * k + i]!)]
  const held = read.map((row) => dot(row, mean))
  return {
    read,
    write,
    constant: Float64Array.from({ length: d }, (_, j) => write.reduce((sum, column, i) => sum + column[j]! * held[i]!, 0)),
  }
}

/** Whether all that is read of what is written is each direction's own. */
function stayApart(all: readonly Projection[]): boolean {
  const [read, write] = [all.flatMap((one) => one.read), all.flatMap((one) => one.write)]
  const length = (x: Float64Array) => Math.sqrt(dot(x, x))
  return read.every((r, i) =>
    write.every((w, j) => (i === j ? Math.abs(dot(r, w) - 1) < 1e-5 : Math.abs(dot(r, w)) < 1e-6 * length(r) * length(w))),
  )
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function onActivations(edit: EditFile): EditFile[] {
  const acts = edit.acts.filter((act) => !isOfWeights(act))
  if (acts.length === edit.acts.length) return [edit]
  if (acts.length === 0) return []
  const used = new Set(acts.flatMap(tensorsOf))
  const tensors = Object.fromEntries(Object.entries(edit.tensors).filter(([key]) => used.has(key)))
  return [{ ...edit, acts, tensors }]
}

/** The parameters that planned edits change, read or make, by path. */
export function touched(config: DecoderConfig, { weights, projected }: PlannedEdits): Set<string> {
  const paths = new Set(weights.flatMap(([, act]) => Object.keys(act.weights)))
  if (projected.length > 0) {
    for (const path of writers(config)) paths.add(path)
    if (config.tied) paths.add('head')
  }
  if (paths.has('head') && config.tied) paths.add('embed')
  return paths
}

/** Every parameter that writes to the residual stream. */
function writers(config: DecoderConfig): string[] {
  const paths: string[] = []
  decoderParams(config, (path) => {
    if (/^(embed|positions)$|\.attn\.o(Bias)?$|\.mlp\.down(Bias)?$/.test(path)) paths.push(path)
  })
  return paths
}

/**
 * What becomes of parameters under planned edits, in f64, rounded to f32 at the end of each act. A tied model whose head is set, or whose
 * writers are projected, gets a head of its own: its config then says so.
 */
export function changeWeights(
  config: DecoderConfig,
  take: (path: string) => Tensor,
  plan: PlannedEdits,
): { readonly config: DecoderConfig; readonly changed: ReadonlyMap<string, Tensor> } {
  const changed = new Map<string, Tensor>()
  const now = (path: string) => changed.get(path) ?? take(path)
  let untied = false
  for (const [{ tensors }, act] of plan.weights) {
    for (const [path, source] of Object.entries<string | { up: string; down: string }>(act.weights)) {
      untied ||= path === 'head' && config.tied
      if (act.kind === 'set') changed.set(path, tensors[source as string]!)
      else if (act.kind === 'delta') changed.set(path, plus(now(path), tensors[source as string]!.data, act.scale))
      else {
        const { up, down } = source as { up: string; down: string }
        changed.set(path, plus(now(path), product(tensors[up]!, tensors[down]!), act.scale))
      }
    }
  }
  for (const projection of plan.projected) {
    if (config.tied && !untied) {
      changed.set('head', now('embed'))
      untied = true
    }
    // The constant comes into the stream once, with the token.
    for (const path of writers(config)) {
      const byRow = /^(embed|positions)$|Bias$/.test(path)
      changed.set(path, projectedWeight(now(path), projection, byRow, path === 'embed' ? (config.embedScale ?? 1) : 0))
    }
  }
  return { config: untied ? { ...config, tied: false } : config, changed }
}

/** Parameters under the weight acts of edits. */
export function editedParams(config: DecoderConfig, params: DecoderParams<Tensor>, plan: PlannedEdits) {
  const given = new Map(leaves(params, isTensor))
  const { config: told, changed } = changeWeights(config, (path) => given.get(path)!, plan)
  return { config: told, params: decoderParams(told, (path) => changed.get(path) ?? given.get(path)!) }
}

function plus(a: Tensor, b: Tensor['data'], scale: number): Tensor {
  return tensor(
    Float32Array.from(a.data, (x, i) => x + scale * b[i]!),
    a.shape,
  )
}

function product(up: Tensor, down: Tensor): Float64Array {
  const [m, k] = up.shape as [number, number]
  const n = down.shape[1]!
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < k; j++) {
      const x = up.data[i * k + j]!
      for (let c = 0; c < n; c++) out[i * n + c]! += x * down.data[j * n + c]!
    }
  return out
}

/** A direction at length 1, in f64. */
export function unit({ data }: Tensor): Float64Array {
  let square = 0
  for (const x of data) square += x * x
  return Float64Array.from(data, (x) => x / Math.sqrt(square))
}

/** W − write·read·W where columns of W are vectors of the stream, or that of each row, plus the constant over `scale`, where rows are. */
function projectedWeight(w: Tensor, { read, write, constant }: Projection, byRow: boolean, scale: number): Tensor {
  const d = constant.length
  const out = Float64Array.from(w.data)
  if (byRow) {
    for (let at = 0; at < out.length; at += d) {
      const along = read.map((row) => dot(row, w.data.subarray(at, at + d)))
      for (let i = 0; i < d; i++) {
        for (const [k, column] of write.entries()) out[at + i]! -= column[i]! * along[k]!
        if (scale > 0) out[at + i]! += constant[i]! / scale
      }
    }
    return tensor(Float32Array.from(out), w.shape)
  }
  const n = w.shape[1]!
  for (const [k, row] of read.entries()) {
    const along = new Float64Array(n)
    for (let i = 0; i < d; i++) for (let j = 0; j < n; j++) along[j]! += row[i]! * w.data[i * n + j]!
    for (let i = 0; i < d; i++) for (let j = 0; j < n; j++) out[i * n + j]! -= write[k]![i]! * along[j]!
  }
  return tensor(Float32Array.from(out), w.shape)
}
