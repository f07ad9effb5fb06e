import { isTensor, leaves, type Tensor, tensor } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'
import { type DecoderParams, decoderParams } from '../models/params.ts'
import { tapNames, tapsNamed } from '../models/taps.ts'
import { type ActivationAct, type EditFile, isOfWeights, tensorsOf, type WeightAct } from './edit-file.ts'

/** What a list of edits comes to: changes of weights, in order, and what can only be done to activations. */
export interface PlannedEdits {
  readonly weights: readonly (readonly [edit: EditFile, act: WeightAct])[]
  /** Directions that all writers to the residual stream are made orthogonal to, after all other changes of weights. */
  readonly orthogonal: readonly (readonly [edit: EditFile, act: Extract<ActivationAct, { kind: 'ablate' }>])[]
  /** The edits with their acts on activations alone. */
  readonly kept: readonly EditFile[]
}

/**
 * Sorts what edits do. With `identities` a directional ablation of the whole residual stream becomes its identity in weights, where that is
 * exact: no norm stands between a writer and the stream, no other edit acts on activations, and several directions are at right angles.
 *
 * source  Arditi et al. 2024, arXiv:2406.11717, section 4.1
 */
export function planEdits(config: DecoderConfig, edits: readonly EditFile[], { identities = false } = {}): PlannedEdits {
  const all = edits.flatMap((edit) => edit.acts.map((act) => [edit, act] as const))
  const weights = all.filter((one): one is [EditFile, WeightAct] => isOfWeights(one[1]))
  const others = all.filter((one): one is [EditFile, ActivationAct] => !isOfWeights(one[1]))
  const orthogonal = others.filter((one): one is [EditFile, Extract<ActivationAct, { kind: 'ablate' }>] => ablatesAll(one[1], config))
  const exact =
    identities &&
    (config.normed ?? 'before') === 'before' &&
    orthogonal.length === others.length &&
    atRightAngles(orthogonal.map(([edit, { direction }]) => unit(edit.tensors[direction]!)))
  if (exact) return { weights, orthogonal, kept: [] }
  return { weights, orthogonal: [], kept: edits.flatMap(onActivations) }
}

/** Where a directional ablation acts that has an identity in weights: the residual stream at its beginning and after every writer. */
export function residualStream(config: DecoderConfig): string[] {
  return tapNames(config).filter((tap) => /^embed$|^blocks\.\d+\.(mid|out)$/.test(tap))
}

function ablatesAll(act: ActivationAct, config: DecoderConfig): boolean {
  if (act.kind !== 'ablate' || act.positions !== 'all') return false
  return tapsNamed('edit', act.at, config).join() === residualStream(config).join()
}

function atRightAngles(units: readonly Float64Array[]): boolean {
  return units.every((a, i) => units.slice(i + 1).every((b) => Math.abs(a.reduce((sum, x, k) => sum + x * b[k]!, 0)) < 1e-6))
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
export function touched(config: DecoderConfig, { weights, orthogonal }: PlannedEdits): Set<string> {
  const paths = new Set(weights.flatMap(([, act]) => Object.keys(act.weights)))
  if (orthogonal.length > 0) {
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
 * writers are made orthogonal, gets a head of its own: its config then says so.
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
  for (const [{ tensors }, { direction }] of plan.orthogonal) {
    const r = unit(tensors[direction]!)
    if (config.tied && !untied) {
      changed.set('head', now('embed'))
      untied = true
    }
    for (const path of writers(config)) changed.set(path, orthogonal(now(path), r, /^(embed|positions)$|Bias$/.test(path)))
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

/** W − r·rᵀW where columns of W are vectors of the stream, or W − W·r·rᵀ where rows are. */
function orthogonal(w: Tensor, r: Float64Array, byRow: boolean): Tensor {
  const d = r.length
  const out = new Float32Array(w.data.length)
  if (byRow) {
    for (let at = 0; at < out.length; at += d) {
      let along = 0
      for (let i = 0; i < d; i++) along += w.data[at + i]! * r[i]!
      for (let i = 0; i < d; i++) out[at + i] = w.data[at + i]! - along * r[i]!
    }
    return tensor(out, w.shape)
  }
  const n = w.shape[1]!
  const along = new Float64Array(n)
  for (let i = 0; i < d; i++) for (let j = 0; j < n; j++) along[j]! += r[i]! * w.data[i * n + j]!
  for (let i = 0; i < d; i++) for (let j = 0; j < n; j++) out[i * n + j] = w.data[i * n + j]! - r[i]! * along[j]!
  return tensor(out, w.shape)
}
