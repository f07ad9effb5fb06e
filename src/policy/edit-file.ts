import { vectorsAt } from '../checkpoints/check-edit.ts'
import { type ActivationAct, type EditFile, isOfWeights } from '../checkpoints/edit-file.ts'
import { unit } from '../checkpoints/edit-weights.ts'
import { broadcastTo, linear, reshape, sum, type Tensor, takeRows, tensor, type Value } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { tapsNamed } from '../models/taps.ts'
import { type Edit, type Feeds, type PlacedEdit, type Site, withEdit } from './edit.ts'
import type { Policy } from './policy.ts'

/** A policy under what edits do to activations, in their order; what they do to weights is no part of it. */
export function underFiles(policy: Policy, edits: readonly EditFile[]): Policy {
  return placedFiles(policy.config, edits).reduce(withEdit, policy)
}

/** What edits do to activations, with its taps, for graphs that are traced without a policy. */
export function placedFiles(config: DecoderConfig, edits: readonly EditFile[]): PlacedEdit[] {
  return edits
    .map((edit) => editOf(config, edit))
    .filter(({ at }) => at.length > 0)
    .map(({ apply, at, feeds }) => ({ edit: apply, at: new Set(at), feeds }))
}

/** What an edit does to activations as a function, with the taps it is called at. All numbers are fed, none is written into a graph. */
export function editOf(
  config: DecoderConfig,
  { name, acts, tensors }: Pick<EditFile, 'name' | 'acts' | 'tensors'>,
): { readonly apply: Edit; readonly at: readonly string[]; readonly feeds: Feeds } {
  const all: Placed[] = acts
    .filter((act) => !isOfWeights(act))
    .map((act) => {
      const taps = tapsNamed(name, act.at, config)
      return { act, taps, own: { ...feedsOf(act, tensors, config.contextLength), ...headsOf(act, taps, config) } }
    })
  const fed = Object.fromEntries(all.flatMap(({ own }, i) => Object.entries(own).map(([name, value]) => [`${i}.${name}`, value] as const)))
  return { apply: applied(config, all), at: [...new Set(all.flatMap(({ taps }) => taps))], feeds: () => fed }
}

/** An act with the taps it holds at and what it is fed. */
interface Placed {
  readonly act: ActivationAct
  readonly taps: readonly string[]
  readonly own: Readonly<Record<string, Tensor>>
}

/** What of an act is written into a graph. */
type Form = { readonly kind: ActivationAct['kind']; readonly positions: 'all' | 'prompt' | 'completion' }

/** The same function for all edits that differ in their numbers alone, so that each form is compiled once. */
function applied(config: DecoderConfig, all: readonly Placed[]): Edit {
  const forms = all.map(({ act, taps, own }) => {
    const shapes = Object.entries(own).map(([name, { shape }]) => [name, shape] as const)
    return { kind: act.kind, positions: typeof act.positions === 'object' ? 'all' : act.positions, taps, shapes }
  })
  const of = known.get(config) ?? new Map<string, Edit>()
  known.set(config, of)
  const key = JSON.stringify(forms)
  const apply: Edit =
    of.get(key) ??
    ((tap, x, at) =>
      forms.reduce((y, { taps, shapes, ...act }, i) => {
        const fed = (name: string) => {
          const shape = shapes.find(([own]) => own === name)?.[1]
          return shape && at.input(`${i}.${name}`, shape)
        }
        return taps.includes(tap) ? acted(act, y, at, fed) : y
      }, x))
  of.set(key, apply)
  return apply
}
const known = new WeakMap<DecoderConfig, Map<string, Edit>>()

/** What an act reads. Rows by position, and where an act holds, are tables over the context. */
function feedsOf(act: ActivationAct, tensors: EditFile['tensors'], context: number): Record<string, Tensor> {
  const rows = act.kind === 'add' ? tensors[act.direction]! : act.kind === 'patch' ? tensors[act.value]! : undefined
  const many = rows?.shape.length === 2 ? rows.shape[0]! : undefined
  const told = typeof act.positions === 'object' ? act.positions : undefined
  const [from, to] = [told?.from ?? 0, Math.min(told?.to ?? context - 1, many === undefined ? context - 1 : (told?.from ?? 0) + many - 1)]
  const where = told || many !== undefined ? { where: table(context, 1, (t) => (t >= from && t <= to ? [1] : undefined)) } : {}
  const byPosition = ({ shape: [, w = 1], data }: Tensor) =>
    table(context, w, (t) => (t >= from && t <= to ? data.subarray((t - from) * w, (t - from + 1) * w) : undefined))
  const vector = rows && (many === undefined ? rows : byPosition(rows))
  switch (act.kind) {
    case 'add':
      return { ...where, direction: vector!, strength: tensor([act.strength], []) }
    case 'patch':
      return { ...where, value: vector! }
    case 'affine':
      return { ...where, read: tensors[act.read]!, write: tensors[act.write]!, mean: tensors[act.mean]! }
    case 'clamp':
      return { ...where, direction: atLengthOne(tensors[act.direction]!), value: tensor([act.value], []) }
    case 'ablate':
      return { ...where, direction: atLengthOne(tensors[act.direction]!) }
  }
}

/** Which heads an act is done to, as numbers to multiply by, for each number of heads that its taps have; nothing where it is done to all. */
function headsOf({ heads: chosen }: ActivationAct, taps: readonly string[], config: DecoderConfig): Record<string, Tensor> {
  if (!chosen) return {}
  const counts = new Set(taps.map((tap) => vectorsAt(tap, config)?.heads ?? 0))
  const table = (count: number) => Float32Array.from({ length: count }, (_, head) => Number(chosen.includes(head)))
  return Object.fromEntries([...counts].map((count) => [`heads.${count}`, tensor(table(count), [1, count, 1, 1])]))
}

function acted(act: Form, x: Value, at: Site, fed: (name: string) => Value | undefined): Value {
  const input = (name: string) => fed(name)!
  const mask = maskOf(act, at, x, fed('where'), fed(`heads.${x.shape[1]}`))
  const masked = (value: Value) => (mask ? value.mul(mask) : value)
  const row = (name: string) => {
    const value = input(name)
    return value.shape.length === 2 ? overHeads(takeRows(value, at.positions), x) : value
  }
  switch (act.kind) {
    case 'add':
      return x.add(masked(row('direction').mul(input('strength'))))
    case 'patch':
      return mask ? x.sub(x.mul(mask)).add(row('value').mul(mask)) : broadcastTo(row('value'), x.shape)
    case 'affine':
      return x.sub(masked(linear(linear(x.sub(input('mean')), input('read')), input('write'))))
    case 'clamp': {
      const r = input('direction')
      return x.add(
        masked(
          input('value')
            .sub(sum(x.mul(r), [-1]))
            .mul(r),
        ),
      )
    }
    case 'ablate': {
      const r = input('direction')
      return x.sub(masked(sum(x.mul(r), [-1]).mul(r)))
    }
  }
}

/** 1 where an act holds, f32[R, T, 1], of heads [R, heads, T, 1]; nothing where it holds everywhere. */
function maskOf({ positions }: Form, at: Site, x: Value, where: Value | undefined, heads: Value | undefined): Value | undefined {
  const alike = (value: Value) => overHeads(reshape(value, [...at.tokens.shape, 1]), x)
  const here = where && overHeads(takeRows(where, at.positions), x)
  const completion = positions === 'completion' || positions === 'prompt' ? alike(at.completion) : undefined
  const part = positions === 'prompt' ? completion!.neg().add(1) : completion
  const parts = [here, part, heads].filter((one) => one !== undefined)
  return parts.length === 0 ? undefined : parts.reduce((a, b) => a.mul(b))
}

/** A value of each token, [R, T, w], as it meets heads: [R, 1, T, w]. */
function overHeads(value: Value, { shape }: Value): Value {
  return shape.length === 4 ? reshape(value, [value.shape[0]!, 1, value.shape[1]!, value.shape[2]!]) : value
}

function table(context: number, width: number, rowOf: (position: number) => ArrayLike<number> | undefined): Tensor {
  const data = new Float32Array(context * width)
  for (let t = 0; t < context; t++) {
    const row = rowOf(t)
    if (row) data.set(row, t * width)
  }
  return tensor(data, [context, width])
}

function atLengthOne(direction: Tensor): Tensor {
  return tensor(Float32Array.from(unit(direction)), direction.shape)
}
