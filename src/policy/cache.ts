import { type Blocks, type Program, part, type Resident, sharedTensor } from '../engine/index.ts'
import {
  argMax,
  concat,
  constant,
  graph,
  input,
  logSumExp,
  reshape,
  sameShape,
  sizeOf,
  softmax,
  type Tensor,
  takeRows,
  tensor,
  type Value,
} from '../graph/index.ts'
import { decoder } from '../models/decoder.ts'
import { logits } from '../models/head.ts'
import { freeze } from './freeze.ts'
import { type Policy, policyInputs } from './policy.ts'

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

/** What may come next in each row; it holds until the next is asked for. */
export interface NextTokens {
  at(row: number): NextToken
}

export interface NextToken {
  /** The likeliest token, at temperature 0; else `weights`. */
  readonly likeliest?: number
  /** Probability of every token at the temperature that is sampled with; every token's logit, where logits are asked for. */
  readonly weights: Float32Array
  /** Log-probability of a token at temperature 1, nats; at temperature 0 of the likeliest alone. */
  logp(id: number): number
}

/** What a cache must hold: how many rows at once, and of how many tokens at most. */
export interface CacheNeeds {
  readonly rows: number
  readonly longest: number
  /** What tokens are sampled at; with `logits`, those are returned. */
  readonly temperature: number | 'logits'
}

/** `rows` rows of `width` columns each. */
interface Layout {
  readonly rows: number
  readonly width: number
}

const HIDDEN = -1e9
const none = new Float32Array()
const ROOM = 256
const SIZES = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256]

/**
 * Keys and values [kvHeads, capacity, headDim] of `size` rows, for every layer: a row's tokens fill its columns from the first on, and a step
 * writes the next one in place and reads no column that is not in use.
 */
export function openCache(policy: Policy, { rows, longest, temperature }: CacheNeeds) {
  const { engine, config } = policy
  const { layers, kvHeads, headDim, vocabSize } = config
  let size = SIZES.find((n) => n >= rows) ?? rows
  let capacity = 0
  let cache: Resident | undefined
  let writings: (Writing | undefined)[] = new Array(size).fill(undefined)
  let frozen: ReturnType<typeof freeze> | undefined
  let read: { kv: Resident; rows: number; length: number } | undefined
  const held = new Set<Resident>()
  const buffers: Record<string, Tensor> = {}
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

  /** Runs a program for what may come next; numbers of the last time are written over. */
  async function nextTokens(
    program: Program,
    inputs: Parameters<Program['run']>[0],
    into: Readonly<Record<string, Resident>>,
  ): Promise<NextTokens> {
    for (const name of ['weights', 'logps', 'likeliest']) {
      const type = program.graph.outputs[name]
      const known = buffers[name]
      if (!type) delete buffers[name]
      else if (!known || !sameShape(known.shape, type.shape)) buffers[name] = sharedTensor(type)
    }
    await program.run(inputs, { ...into, ...buffers })
    const weights = buffers.weights?.data as Float32Array
    const logps = buffers.logps?.data as Float32Array | undefined
    const likeliest = buffers.likeliest?.data as Int32Array | undefined
    if (likeliest) return { at: (row) => ({ likeliest: likeliest[row]! % vocabSize, weights: none, logp: () => logps![row]! }) }
    return {
      at: (row) => ({
        weights: weights.subarray(row * vocabSize, (row + 1) * vocabSize),
        logp: (id) => logps?.[row * vocabSize + id] ?? Math.log(weights[row * vocabSize + id]!),
      }),
    }
  }
  const kind = temperature
  // Hot sampling takes tokens whose own probability is 0 in f32, so their log-probability cannot be its logarithm.
  const distribution = (scores: Value): Record<string, Value> => {
    if (kind === 0) {
      const likeliest = argMax(scores)
      const [rows] = likeliest.shape as [number]
      const highest = takeRows(reshape(scores, [rows * vocabSize]), likeliest)
      return { likeliest, logps: highest.sub(reshape(logSumExp(scores), [rows])) }
    }
    if (kind === 1) return { weights: softmax(scores) }
    return { weights: kind === 'logits' ? scores : softmax(scores.div(kind)), logps: scores.sub(logSumExp(scores)) }
  }

  return {
    size: () => size,
    active: () => active().length,
    free: () => size - active().length,

    /** Reads prompts; their keys and values wait for `start`. */
    async read(prompts: readonly (readonly number[])[]): Promise<NextTokens> {
      const R = SIZES.find((n) => n >= prompts.length) ?? prompts.length
      const T = Math.min(config.contextLength, Math.ceil(Math.max(...prompts.map((p) => p.length)) / 16) * 16)
      const program = await policy.program(`read ${R} ${T} ${kind}`, () => {
        const { params, adapters, inputs } = policyInputs(policy)
        const given = {
          tokens: input('tokens', [R, T], 'i32'),
          positions: input('positions', [T], 'i32'),
          mask: input('mask', [T, T]),
          last: input('last', [R], 'i32'),
        }
        const kv: Value[] = []
        const positions = given.positions
        const hidden = decoder(params, { tokens: given.tokens, positions: reshape(positions, [1, T]), mask: given.mask }, config, {
          ...(adapters ? { adapters } : {}),
          onKeysValues: (_, k, v) => kv.push(k, v),
        })
        const scores = logits(params, takeRows(reshape(hidden, [R * T, config.hiddenSize]), given.last), config)
        return graph({ ...inputs, ...given }, { ...distribution(scores), kv: stacked(kv) })
      })
      const kv = await allocate([planes, R, kvHeads * T * headDim])
      const tokens = new Int32Array(R * T)
      prompts.forEach((prompt, r) => {
        tokens.set(prompt, r * T)
      })
      const last = Int32Array.from({ length: R }, (_, r) => r * T + (prompts[r]?.length ?? 1) - 1)
      const mask = Float32Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 0 : HIDDEN))
      const following = await nextTokens(
        program,
        {
          ...policy.given,
          tokens: tensor(tokens, [R, T]),
          positions: tensor(
            Int32Array.from({ length: T }, (_, t) => t),
            [T],
          ),
          mask: tensor(mask, [T, T]),
          last: tensor(last, [R]),
        },
        { kv },
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
      const writer = await (frozen ??= freeze(policy, B))
      const program = await writer.program(`step ${B} ${S} ${kind}`, () => {
        const { params, adapters, inputs } = policyInputs(writer)
        const given = { tokens: input('tokens', [B, 1], 'i32'), lengths: input('lengths', [B], 'i32') }
        const past = Array.from({ length: layers }, (_, l) => ({
          keys: input(`past.${l}.keys`, [B, kvHeads, S, headDim]),
          values: input(`past.${l}.values`, [B, kvHeads, S, headDim]),
        }))
        const present: Record<string, Value> = {}
        const last = { tokens: given.tokens, positions: reshape(given.lengths, [B, 1]), mask: constant(0) }
        const hidden = decoder(params, last, config, {
          ...(adapters ? { adapters } : {}),
          past: { blocks: past, lengths: given.lengths },
          onKeysValues(l, keys, values) {
            present[`present.${l}.keys`] = keys
            present[`present.${l}.values`] = values
          },
        })
        const pastInputs = Object.fromEntries(
          past.flatMap(({ keys, values }) => [keys, values]).map((value) => [String(value.attrs.name), value]),
        )
        return graph(
          { ...inputs, ...given, ...pastInputs },
          { ...distribution(logits(params, reshape(hidden, [B, config.hiddenSize]), config)), ...present },
        )
      })
      const plane = B * kvHeads * S * headDim
      const planesOf = (time: 'past' | 'present') =>
        Object.fromEntries(
          Array.from({ length: planes }, (_, p) => [
            `${time}.${p >> 1}.${p % 2 === 0 ? 'keys' : 'values'}`,
            part(cache!, p * plane, [B, kvHeads, S, headDim]),
          ]),
        )
      const lengths = Int32Array.from(writings, (w) => w?.length ?? 1)
      const following = await nextTokens(
        program,
        {
          ...writer.given,
          ...planesOf('past'),
          tokens: tensor(
            Int32Array.from(writings, (w) => w?.ids.at(-1) ?? 0),
            [B, 1],
          ),
          lengths: tensor(lengths, [B]),
        },
        planesOf('present'),
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

/** Keys (transposed) and values of all blocks as one value, so that one output is returned: [planes, R, kvHeads · T · headDim]. */
function stacked(kv: readonly Value[]): Value {
  return concat(
    kv.map((value) => reshape(value, [1, value.shape[0]!, sizeOf(value.shape.slice(1))])),
    0,
  )
}
