import { type Blocks, part, type Resident } from '../engine/index.ts'
import { constant, graph, input, reshape, type Tensor, table, takeRows, tensor, type Value } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { logits } from '../models/head.ts'
import type { SampledWeights } from '../models/sampling.ts'
import { fedTo } from './edit.ts'
import { forward } from './forward.ts'
import { freeze } from './freeze.ts'
import { type NextTokens, openNextTokens } from './next-token.ts'
import type { Policy } from './policy.ts'

/** A completion that is being written. */
export interface Writing {
  readonly prompt: number
  readonly index: number
  readonly ids: number[]
  readonly logps: number[]
  /** Tokens in the cache. */
  length: number
  readonly most: number
}

/** What a cache must hold: how many rows at once, and of how many tokens at most. */
export interface CacheNeeds {
  readonly rows: number
  readonly longest: number
  /** What tokens are sampled at; with `logits`, those are returned. */
  readonly temperature: number | 'logits'
  /** What rows are multiplied by. Default: the weights as they are. */
  readonly weights?: SampledWeights
}

/** So many rows, from a prompt of so many tokens up to the longest. */
export interface CacheSize {
  readonly rows: number
  readonly from: number
  readonly longest: number
}

/** Bytes that a cache takes at its largest moment: where it grows it is there twice; prompts are read a quarter of the rows at a time. */
export function cacheBytes({ layers, kvHeads, headDim, vocabSize }: DecoderConfig, { rows, from, longest }: CacheSize): number {
  const aColumn = 2 * layers * kvHeads * headDim
  const size = SIZES.find((n) => n >= rows) ?? rows
  const columns = longest <= from + ROOM ? longest : 2 * longest - ROOM
  return 4 * (aColumn * (size * columns + (size / 4) * from) + 3 * size * vocabSize)
}

/** `rows` rows of `width` columns each. */
interface Layout {
  readonly rows: number
  readonly width: number
}

const ROOM = 256
const SIZES = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256]

/**
 * Keys and values [kvHeads, capacity, headDim] of `size` rows, for every layer: a row's tokens fill its columns from the first on, and a step
 * writes the next one in place and reads no column that is not in use.
 */
export function openCache(policy: Policy, { rows, longest, temperature, weights = 'f32' }: CacheNeeds) {
  const { engine, config } = policy
  const { layers, kvHeads, headDim, vocabSize } = config
  let size = SIZES.find((n) => n >= rows) ?? rows
  let capacity = 0
  let cache: Resident | undefined
  let writings: (Writing | undefined)[] = new Array(size).fill(undefined)
  let frozen: ReturnType<typeof freeze> | undefined
  let read: { kv: Resident; rows: number; length: number } | undefined
  const held = new Set<Resident>()
  const next = openNextTokens(temperature, vocabSize)
  const planes = layers * 2

  const allocate = async (shape: readonly number[]) => {
    const resident = await engine.allocate({ dtype: 'f32', shape })
    held.add(resident)
    return resident
  }
  const release = async (resident: Resident | undefined) => {
    if (!resident) return
    held.delete(resident)
    await engine.release(resident)
  }
  const active = () => writings.filter((w) => w !== undefined)

  const frozenFor = (rows: number) => (frozen ??= freeze(policy, rows, { weights }))

  /** Keys and values of each block where they lie in a cache of so many rows and columns. */
  const planesOf = (time: 'past' | 'present', all: Resident, [rows, columns]: readonly [number, number]) =>
    Object.fromEntries(
      Array.from({ length: planes }, (_, p) => [
        `${time}.${p >> 1}.${p % 2 === 0 ? 'keys' : 'values'}`,
        part(all, p * rows * kvHeads * columns * headDim, [rows, kvHeads, columns, headDim]),
      ]),
    )

  /** T new tokens of B rows into a cache of S columns, and what may come after the last ones. Reading and steps are written alike, so they can share a session. */
  function traced(one: Policy, path: 'read' | 'step', [B, T, S]: readonly [number, number, number], places?: Value) {
    const given = { tokens: input('tokens', [B, T], 'i32'), lengths: input('lengths', [B], 'i32'), last: input('last', [B], 'i32') }
    const past = Array.from({ length: layers }, (_, l) => ({
      keys: input(`past.${l}.keys`, [B, kvHeads, S, headDim]),
      values: input(`past.${l}.values`, [B, kvHeads, S, headDim]),
    }))
    const present: Record<string, Value> = {}
    const rows = { tokens: given.tokens, positions: places ?? reshape(given.lengths, [B, 1]), mask: constant(0) }
    const { params, hidden, inputs } = forward(one, rows, {
      path,
      past: { blocks: past, lengths: given.lengths },
      onKeysValues(l, keys, values) {
        present[`present.${l}.keys`] = keys
        present[`present.${l}.values`] = values
      },
    })
    const pastInputs = Object.fromEntries(
      past.flatMap(({ keys, values }) => [keys, values]).map((value) => [String(value.attrs.name), value]),
    )
    const scores = logits(params, takeRows(reshape(hidden, [B * T, config.hiddenSize]), given.last), config)
    return graph({ ...inputs, ...given, ...pastInputs }, { ...next.outputs(scores), ...present })
  }

  /** Copies the first `length` columns of `rows` rows, of keys and of values, between two layouts. */
  function columns(length: number, [from, fromRow]: [Layout, number], [to, toRow]: [Layout, number], rows: number): Blocks {
    const head = ({ width }: Layout) => width * headDim
    const plane = (layout: Layout) => layout.rows * kvHeads * head(layout)
    return {
      length: length * headDim,
      fromStart: fromRow * kvHeads * head(from),
      toStart: toRow * kvHeads * head(to),
      outer: { count: planes, from: plane(from), to: plane(to) },
      inner: { count: rows * kvHeads, from: head(from), to: head(to) },
    }
  }

  /** Makes sure that rows of that many tokens have room for one more. */
  async function arrange(used: number) {
    if (cache && used < capacity) return
    const width = Math.ceil(Math.min(used + ROOM, longest) / 32) * 32
    const target = await allocate([planes, size, kvHeads * width * headDim])
    if (cache) await engine.copy(cache, target, [columns(capacity, [{ rows: size, width: capacity }, 0], [{ rows: size, width }, 0], size)])
    await release(cache)
    cache = target
    capacity = width
  }

  return {
    size: () => size,
    active: () => active().length,
    free: () => size - active().length,

    /** Reads prompts, `texts` by their numbers; their keys and values wait for `start`. */
    async read(prompts: readonly (readonly number[])[], texts: readonly number[]): Promise<NextTokens> {
      const R = SIZES.find((n) => n >= prompts.length) ?? prompts.length
      const T = Math.min(config.contextLength, Math.ceil(Math.max(...prompts.map((p) => p.length)) / 16) * 16)
      const reader = weights === 'f32' ? policy : await frozenFor(R)
      const places = Int32Array.from({ length: T }, (_, t) => t)
      const program = await reader.program(`read ${R} ${T} ${temperature}`, () =>
        traced(reader, 'read', [R, T, T], table(tensor(places, [1, T]))),
      )
      const kv = await allocate([planes, R, kvHeads * T * headDim])
      const tokens = new Int32Array(R * T)
      prompts.forEach((prompt, r) => {
        tokens.set(prompt, r * T)
      })
      const last = Int32Array.from({ length: R }, (_, r) => r * T + (prompts[r]?.length ?? 1) - 1)
      const following = await next.run(
        program,
        {
          ...reader.given,
          ...fedTo(reader),
          ...planesOf('past', kv, [R, T]),
          tokens: tensor(tokens, [R, T]),
          lengths: tensor(new Int32Array(R).fill(T - 1), [R]),
          last: tensor(last, [R]),
          ...(policy.edits ? promptSites(prompts, texts, R, T) : {}),
        },
        // Each where it belongs, so that those of one block are done with when the next is computed.
        planesOf('present', kv, [R, T]),
      )
      read = { kv, rows: R, length: T }
      return following
    },

    /** Gives rows to completions of the prompts just read. */
    async start(items: readonly { from: number; writing: Writing }[]) {
      const { kv, rows, length } = read!
      read = undefined
      if (items.length === 0) return release(kv)
      await arrange(Math.max(...items.map(({ writing }) => writing.length)))
      const blocks = items.map(({ from, writing }) => {
        const slot = writings.indexOf(undefined)
        writings[slot] = writing
        return columns(writing.length, [{ rows, width: length }, from], [{ rows: size, width: capacity }, slot], 1)
      })
      await engine.copy(kv, cache!, blocks)
      await release(kv)
    },

    /** Reads the last token of every row and returns what may come next. */
    async step(): Promise<NextTokens> {
      await arrange(Math.max(...active().map((w) => w.length)))
      const [B, S] = [size, capacity]
      const writer = await frozenFor(B)
      const program = await writer.program(`step ${B} ${S} ${temperature}`, () => traced(writer, 'step', [B, 1, S]))
      const lengths = Int32Array.from(writings, (w) => w?.length ?? 1)
      const each = (of: (w: Writing) => number) => Int32Array.from(writings, (w) => (w ? of(w) : 0))
      const site = {
        'site.text': tensor(
          each(({ prompt }) => prompt),
          [B, 1],
        ),
        'site.real': tensor(Float32Array.from(each(() => 1)), [B, 1]),
        'site.completion': tensor(Float32Array.from(each(() => 1)), [B, 1]),
      }
      const tokens = tensor(
        each(({ ids }) => ids.at(-1)!),
        [B, 1],
      )
      const following = await next.run(
        program,
        {
          ...writer.given,
          ...fedTo(writer),
          ...planesOf('past', cache!, [B, S]),
          tokens,
          lengths: tensor(lengths, [B]),
          last: tensor(
            Int32Array.from({ length: B }, (_, b) => b),
            [B],
          ),
          ...site,
        },
        planesOf('present', cache!, [B, S]),
      )
      for (const w of writings) if (w) w.length++
      return following
    },

    /** Keeps the rows for which the test holds. */
    keep(test: (writing: Writing, row: number) => boolean) {
      writings = writings.map((w, row) => (w && test(w, row) ? w : undefined))
    },

    /** Fewer rows, once most are done. */
    async shrink() {
      const alive = writings.flatMap((w, row) => (w ? [row] : []))
      const smaller = SIZES.find((n) => n >= alive.length) ?? size
      if (alive.length === 0 || smaller > size / 2 || !cache) return
      const rows = Array.from({ length: smaller }, (_, i) => alive[i] ?? alive[0]!)
      // In place: rows only move towards the front.
      const whole = (n: number) => part(cache!, 0, [planes, n, kvHeads * capacity * headDim])
      await engine.pick(whole(size), whole(smaller), rows, planes)
      writings = Array.from({ length: smaller }, (_, i) => (alive[i] === undefined ? undefined : writings[alive[i]!]))
      size = smaller
    },

    async close() {
      await (await frozen)?.close()
      for (const resident of held) await engine.release(resident)
    },
  }
}

/** What edits know of the tokens of prompts that are read. */
function promptSites(prompts: readonly (readonly number[])[], texts: readonly number[], R: number, T: number): Record<string, Tensor> {
  const at = (r: number, t: number) => t < (prompts[r]?.length ?? 0)
  const whole = <A extends Int32Array | Float32Array>(data: A, of: (r: number, t: number) => number) => {
    for (let i = 0; i < R * T; i++) data[i] = at(Math.floor(i / T), i % T) ? of(Math.floor(i / T), i % T) : 0
    return tensor(data, [R, T])
  }
  return {
    'site.positions': whole(new Int32Array(R * T), (_, t) => t),
    'site.text': whole(new Int32Array(R * T), (r) => texts[r]!),
    'site.real': whole(new Float32Array(R * T), () => 1),
    'site.completion': tensor(new Float32Array(R * T), [R, T]),
  }
}
