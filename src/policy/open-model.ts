import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { logSumExp, type Tensor, tensor, UserError } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { logits } from '../models/head.ts'
import { tapsNamed } from '../models/taps.ts'
import type { Tokenizer } from '../text/index.ts'
import { type Edit, type EditOptions, edited } from './edit.ts'
import { over, type See } from './over.ts'
import { openPolicy, type Policy } from './policy.ts'

/** Taps to read, by names of one's own: the name of one tap, or a pattern or list of several. */
export type Wanted = Readonly<Record<string, string>>

/** What was read: one tensor for the name of one tap, tensors by tap for a pattern (`*`) or a list (`,`). */
export type Taken<W extends Wanted> = {
  readonly [K in keyof W]: W[K] extends `${string}*${string}` | `${string},${string}` ? Readonly<Record<string, Tensor>> : Tensor
}

/** A model that is open to be read and edited. */
export interface Model {
  readonly config: DecoderConfig
  readonly tokenizer: Tokenizer
  /** What everything else of the library takes. */
  readonly policy: Policy
  /** The vocabulary's pieces that a text is read as, begin token and all. */
  pieces(text: string): string[]
  /**
   * Values inside the model as it reads a text, edits included.
   *
   * shape   without the axis of rows: the residual stream f32[tokens, d], heads f32[heads, tokens, …], patterns f32[heads, tokens, keys]
   * throws  UserError for a tap that the model does not have (docs/taps.md has all), and for a text longer than the context
   */
  read<const W extends Wanted>(text: string, taps: W): Promise<Taken<W>>
  read<const W extends Wanted>(texts: readonly string[], taps: W): Promise<Taken<W>[]>
  /** Log-probability of every next token after each token of a text, f32[tokens, V], nats. */
  logprobs(text: string): Promise<Tensor>
  /** The same model as another function; it shares the parameters, and is closed with the model it is of. */
  with(edit: Edit, options?: EditOptions): Model
  /** Frees everything. */
  close(): Promise<void>
}

/**
 * Opens a model: the one in the box (`stories5m`), a folder, a `.gguf` file, or `owner/name` on the Hub.
 *
 * throws  UserError as loadCheckpoint
 */
export async function openModel(name: string): Promise<Model> {
  const { config, params, tokenizer } = await loadCheckpoint(name)
  const engine = openEngine()
  const policy = await openPolicy(engine, { config, params }, undefined, { fixed: true })
  return modelOf(policy, tokenizer, () => engine.close())
}

/** A policy with its tokenizer as a model to read and edit. */
export function modelOf(policy: Policy, tokenizer: Tokenizer, close: () => Promise<void>): Model {
  const { config } = policy

  async function run(text: string, see: See): Promise<Record<string, Tensor>> {
    const ids = tokenizer.encode(text)
    const most = config.contextLength
    if (ids.length === 0 || ids.length > most)
      throw new UserError(`read: a text must have 1 to ${most} tokens, got ${ids.length}; ${ids.length === 0 ? 'give some' : 'shorten it'}`)
    // One row, exactly as long as the text, so that nothing is padding.
    const packing = { lengths: [ids.length], tokenBudget: ids.length, wantedMultiple: 1 }
    const found = await over(policy, [{ prompt: ids, completions: [] }], see, { packing })
    const plain = ({ shape, data }: Tensor) => tensor(Float32Array.from(data), shape.slice(1))
    return Object.fromEntries(Object.entries(found).map(([tap, value]) => [tap, plain(value)]))
  }

  async function readOne<W extends Wanted>(text: string, wanted: W): Promise<Taken<W>> {
    const names = Object.entries(wanted).map(([key, patterns]) => [key, tapsNamed(`read: ${key}`, patterns, config)] as const)
    const values = await run(text, reader([...new Set(names.flatMap(([, taps]) => taps))]))
    const several = (key: string) => /[*,]/.test(wanted[key]!)
    return Object.fromEntries(
      names.map(([key, taps]) => [key, several(key) ? Object.fromEntries(taps.map((tap) => [tap, values[tap]!])) : values[taps[0]!]!]),
    ) as Taken<W>
  }

  async function read(text: string | readonly string[], wanted: Wanted): Promise<unknown> {
    if (typeof text === 'string') return readOne(text, wanted)
    const all: Taken<Wanted>[] = []
    for (const one of text) all.push(await readOne(one, wanted))
    return all
  }

  return {
    config,
    tokenizer,
    policy,
    pieces: (text) => tokenizer.pieces(tokenizer.encode(text)),
    read: read as Model['read'],
    logprobs: async (text) => (await run(text, distribution(config))).logprobs!,
    with: (edit, options) => modelOf(edited(policy, edit, options), tokenizer, async () => {}),
    close,
  }
}

/** A function that returns taps, the same one for the same taps, since programs are kept by it. */
function reader(taps: readonly string[]): See {
  const key = taps.join()
  const known = readers.get(key) ?? (({ tap }) => Object.fromEntries(taps.map((name) => [name, tap(name)])))
  readers.set(key, known)
  return known
}
const readers = new Map<string, See>()

function distribution(config: DecoderConfig): See {
  const known =
    distributions.get(config) ??
    (({ params, tap }) => {
      const scores = logits(params, tap('final'), config)
      return { logprobs: scores.sub(logSumExp(scores)) }
    })
  distributions.set(config, known)
  return known
}
const distributions = new WeakMap<DecoderConfig, See>()

/** Part of a tensor: what stands at the given places of its first axes. `at(pattern, 3)` is the pattern of head 3. */
export function at({ dtype, shape, data }: Tensor, ...places: readonly number[]): Tensor {
  places.forEach((place, axis) => {
    const n = shape[axis]
    if (n === undefined || !Number.isInteger(place) || place < -n || place >= n)
      throw new UserError(`at: place ${axis} must be of an axis of [${shape}], got ${place}; negative ones count from the end`)
  })
  const rest = shape.slice(places.length)
  const size = rest.reduce((product, n) => product * n, 1)
  const from = places.reduce((flat, place, axis) => flat * shape[axis]! + (place < 0 ? place + shape[axis]! : place), 0) * size
  return { dtype, shape: rest, data: data.subarray(from, from + size) }
}

/** The k largest numbers of a tensor with their flat places, largest first. */
export function top({ data }: Tensor, k: number): { readonly place: number; readonly value: number }[] {
  return [...data.entries()]
    .map(([place, value]) => ({ place, value }))
    .sort((a, b) => b.value - a.value || a.place - b.place)
    .slice(0, k)
}
