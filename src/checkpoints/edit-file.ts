import { z } from 'zod'
import { hashFile, hashText } from '../files/hash.ts'
import { parse, parseJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'
import { readSafetensors, safetensorsLayout } from './safetensors.ts'
import { writeSafetensors } from './write-safetensors.ts'

const at = z.array(z.string()).min(1)
const name = z.string().min(1)
const finite = z.number()
const position = z.int().min(0)
const positions = z.union([z.enum(['all', 'prompt', 'completion']), z.strictObject({ from: position, to: position })]).default('all')
const heads = z.exactOptional(z.array(position).min(1))
const named = z.record(z.string(), name)
const lowRank = z.record(z.string(), z.strictObject({ up: name, down: name }))

const actSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('add'), at, direction: name, strength: finite.default(1), positions, heads }),
  z.strictObject({ kind: z.literal('ablate'), at, direction: name, positions, heads }),
  z.strictObject({ kind: z.literal('clamp'), at, direction: name, value: finite, positions, heads }),
  z.strictObject({ kind: z.literal('patch'), at, value: name, positions, heads }),
  z.strictObject({ kind: z.literal('affine'), at, read: name, write: name, mean: name, positions, heads }),
  z.strictObject({ kind: z.literal('set'), weights: named }),
  z.strictObject({ kind: z.literal('delta'), weights: named, scale: finite.default(1) }),
  z.strictObject({ kind: z.literal('lowRank'), weights: lowRank, scale: finite.default(1) }),
])

/**
 * One thing that an edit does. Activations x at the taps `at`, w wide, become, at the positions told:
 * `add` x + strength · direction, f32[w], or f32[n, w] where the i-th row belongs to the i-th position; `ablate` x − r·rᵀx with r the
 * direction at length 1; `clamp` x + (value − rᵀx)·r; `patch` the value, f32[w] or f32[n, w] as for `add`;
 * `affine` x − write·read·(x − mean), with write f32[w, k] and read f32[k, w] (LEACE is one).
 * At taps of heads (`attn.z`, `q`, `k`, `v`) x is the vector of one head, w its width, and every head is edited, or those in `heads`.
 * Weights, by the path of the parameter: `set` makes them the tensor, `delta` adds scale · tensor, `lowRank` adds scale · up · down.
 *
 * units   positions count the begin token as 0; `from` and `to` are the first and the last one; `prompt` and `completion` are where it acts
 */
export type Act = z.infer<typeof actSchema>
/** The acts on activations. */
export type ActivationAct = Extract<Act, { at: unknown }>
/** The acts on weights. */
export type WeightAct = Exclude<Act, { at: unknown }>
/** At which positions of a text an act holds. */
export type ActPositions = ActivationAct['positions']

const size = z.int().positive()
const forSchema = z.strictObject({
  family: z.string(),
  layers: size,
  hiddenSize: size,
  intermediateSize: size,
  vocabSize: size,
  heads: size,
  kvHeads: size,
  base: z.exactOptional(z.string()),
})
/** The architecture an edit was made for, and, with `base`, the sha256 of the weights. */
export type EditTarget = z.infer<typeof forSchema>

const editSchema = z.strictObject({
  format: z.literal(1),
  name,
  about: z.exactOptional(z.string()),
  for: forSchema,
  acts: z.array(actSchema).min(1),
  made: z.exactOptional(z.record(z.string(), z.unknown())),
  measured: z.exactOptional(z.array(z.record(z.string(), z.unknown()))),
})

/** A reversible change of a model, as a file holds it. */
export interface EditFile extends Omit<z.infer<typeof editSchema>, 'format' | 'acts'> {
  /** In the order they are done. */
  readonly acts: readonly Act[]
  /** What the acts name. */
  readonly tensors: Readonly<Record<string, Tensor>>
  /** Of the file; of its content where it was never one. */
  readonly sha256: string
}

/** An edit before it is a file: `strength`, `positions` and `scale` may be left out. */
export interface NewEdit extends Omit<EditFile, 'acts' | 'sha256'> {
  readonly acts: readonly z.input<typeof actSchema>[]
}

const remedy = 'write it again with the verb that made it'

/** Whether an act is done to weights. */
export function isOfWeights(act: Act): act is WeightAct {
  return !('at' in act)
}

/** What an edit for this model is for. */
export function editTarget(config: DecoderConfig, base?: string): EditTarget {
  const { family, layers, hiddenSize, intermediateSize, vocabSize, heads, kvHeads } = config
  return { family, layers, hiddenSize, intermediateSize, vocabSize, heads, kvHeads, ...(base === undefined ? {} : { base }) }
}

/** An edit, checked by itself; `where` leads the error. */
export function makeEdit(edit: NewEdit, where = edit.name): EditFile {
  const { tensors, ...told } = edit
  const { format: _, ...parsed } = parse(where, { format: 1, ...told }, editSchema, remedy)
  const wanted = parsed.acts.flatMap(tensorsOf)
  const missing = wanted.find((key) => !Object.hasOwn(tensors, key))
  if (missing !== undefined)
    throw new UserError(`${where}: every tensor that is named must be there, got none called ${missing}; ${remedy}`)
  const extra = Object.keys(tensors).find((key) => !wanted.includes(key))
  if (extra !== undefined) throw new UserError(`${where}: every tensor must be named by what is done, got ${extra} besides; ${remedy}`)
  const content = Object.entries(tensors).map(([key, { shape, data }]) => [key, shape, hashText(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1'))]) // biome-ignore format: one line
  return { ...parsed, tensors, sha256: hashText(JSON.stringify([parsed, content])) }
}

/** The names of the tensors that an act reads. */
export function tensorsOf(act: Act): string[] {
  switch (act.kind) {
    case 'patch':
      return [act.value]
    case 'affine':
      return [act.read, act.write, act.mean]
    case 'set':
    case 'delta':
      return Object.values(act.weights)
    case 'lowRank':
      return Object.values(act.weights).flatMap(({ up, down }) => [up, down])
    default:
      return [act.direction]
  }
}

/**
 * Reads an edit.
 *
 * throws  UserError for a file that is no edit, or does what is not known here
 */
export async function readEdit(file: string): Promise<EditFile> {
  const { metadata } = await safetensorsLayout(file)
  if (metadata.edit === undefined)
    throw new UserError(
      `${file}: must be an edit, got a safetensors file without one in its header; innate edit steer writes one, and so does writeEdit`,
    )
  const told = parse(file, parseJson(`${file}: edit`, metadata.edit, remedy), editSchema, remedy)
  const { format: _, ...edit } = told
  const tensors = Object.fromEntries(await readSafetensors(file))
  return { ...makeEdit({ ...edit, tensors }, file), sha256: await hashFile(file) }
}

/** Writes an edit as one safetensors file, whole or not at all; numbers are f32. */
export async function writeEdit(file: string, { tensors, sha256: _, ...edit }: EditFile): Promise<void> {
  await writeSafetensors(file, Object.entries(tensors), 'f32', { edit: JSON.stringify({ format: 1, ...edit }) })
}

/** Several edits as one that does all they do, in their order. */
export function joinEdits(name: string, edits: readonly EditFile[]): EditFile {
  const [first] = edits
  if (!first) throw new UserError(`${name}: must join one edit or more, got none; name some`)
  const tensors: Record<string, Tensor> = {}
  const acts = edits.flatMap((edit, i) => {
    for (const [key, value] of Object.entries(edit.tensors)) tensors[`${i}.${key}`] = value
    return edit.acts.map((act) => renamed(act, (key) => `${i}.${key}`))
  })
  const { base: _, ...target } = first.for
  const bases = new Set(edits.map((edit) => edit.for.base))
  const [base] = bases.size === 1 ? [...bases] : []
  for (const edit of edits) {
    const { base: __, ...other } = edit.for
    if (JSON.stringify(other) !== JSON.stringify(target))
      throw new UserError(`${name}: edits must be for one architecture to be joined, got ${first.name} and ${edit.name}; join others`)
  }
  const made = { by: 'join', of: edits.map(({ name, sha256 }) => ({ name, sha256 })) }
  return makeEdit({ name, for: { ...target, ...(base === undefined ? {} : { base }) }, acts, made, tensors })
}

function renamed(act: Act, to: (key: string) => string): Act {
  const all = <T, U>(record: Record<string, T>, of: (value: T) => U) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, of(value)]))
  switch (act.kind) {
    case 'patch':
      return { ...act, value: to(act.value) }
    case 'affine':
      return { ...act, read: to(act.read), write: to(act.write), mean: to(act.mean) }
    case 'set':
    case 'delta':
      return { ...act, weights: all(act.weights, to) }
    case 'lowRank':
      return { ...act, weights: all(act.weights, ({ up, down }) => ({ up: to(up), down: to(down) })) }
    default:
      return { ...act, direction: to(act.direction) }
  }
}
