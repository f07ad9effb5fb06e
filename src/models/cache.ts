import { type Blocks, part, type Resident } from '../engine/index.ts'
import {
  concat,
  constant,
  graph,
  input,
  logSumExp,
  reshape,
  sizeOf,
  softmax,
  takeRows,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import { decoder, logits, windowReached } from './decoder.ts'
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

/** What may come next in each row. */
export interface NextTokens {
  at(row: number): NextToken
}

export interface NextToken {
  /** Probability of every token at the temperature that is sampled with; every token's logit, where logits are asked for. */
  readonly weights: Float32Array
  /** Log-probability of a token at temperature 1, nats. */
  logp(id: number): number
}

/** Where columns lie: `rows` rows of `width` columns, from this row and column on. */
interface Place {
  readonly rows: number
  readonly width: number
  readonly row: number
  readonly column: number
}

const HIDDEN = -1e9
const ROOM = 32
const SIZES = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256]

/**
 * Keys [headDim, capacity] and values [capacity, headDim] of `size` rows, for every layer and head, written column by column: every row
 * writes its next token into the same column, a row that starts puts its prompt into the columns just before, and a mask says which
 * columns a row may see. Positions are inside the rotated keys, so columns may be moved.
 */
export function openCache(policy: Policy, wantedSize: number, temperature: number | 'logits') {
  const { engine, config } = policy
  const { layers, kvHeads, headDim, vocabSize } = config
  let size = SIZES.find((n) => n >= wantedSize) ?? wantedSize
  let capacity = 0
  let column = 0
  let cache: Resident | undefined
  let fresh: Resident | undefined
  let writings: (Writing | undefined)[] = new Array(size).fill(undefined)
  let read: { kv: Resident; rows: number; length: number } | undefined
  const held = new Set<Resident>()
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

  /** Copies `length` columns of some rows, of keys and of values, between two of these layouts. */
  function columns(length: number, from: Place, to: Place, rows: number): Blocks[] {
    const plane = ({ rows: all, width }: Place) => all * kvHeads * headDim * width
    const outer = { count: layers, from: 2 * plane(from), to: 2 * plane(to) }
    const start = (place: Place) => place.row * kvHeads * headDim * place.width
    return [
      {
        length,
        fromStart: start(from) + from.column,
        toStart: start(to) + to.column,
        outer,
        inner: { count: rows * kvHeads * headDim, from: from.width, to: to.width },
      },
      {
        length: length * headDim,
        fromStart: plane(from) + start(from) + from.column * headDim,
        toStart: plane(to) + start(to) + to.column * headDim,
        outer,
        inner: { count: rows * kvHeads, from: from.width * headDim, to: to.width * headDim },
      },
    ]
  }

  /** Makes sure that the next column is free and that `starting` columns lie before it, moving what is in use when it must. */
  async function arrange(starting: number) {
    const longest = Math.max(0, ...active().map((w) => w.length))
    if (cache && column >= starting && column < capacity) return
    const end = Math.max(longest, starting)
    const width = Math.max(capacity, Math.ceil((end + ROOM) / 32) * 32)
    // In place where it can be: rows keep their width and columns only move to the left. Fresh memory is dearer than the copy.
    const stays = cache !== undefined && width === capacity && end <= column
    const target = stays ? cache! : await allocate([planes, size, kvHeads * width * headDim])
    if (cache && longest > 0) {
      const from = { rows: size, width: capacity, row: 0, column: column - longest }
      const to = { rows: size, width, row: 0, column: end - longest }
      await engine.copy(cache, target, columns(longest, from, to, size))
    }
    if (!stays) await release(cache)
    cache = target
    capacity = width
    column = end
  }

  function next(outputs: Record<string, { data: unknown }>): NextTokens {
    const weights = outputs.weights!.data as Float32Array
    const logps = outputs.logps?.data as Float32Array | undefined
    return {
      at: (row) => ({
        weights: weights.subarray(row * vocabSize, (row + 1) * vocabSize),
        logp: (id) => logps?.[row * vocabSize + id] ?? Math.log(weights[row * vocabSize + id]!),
      }),
    }
  }
  const kind = temperature === 0 ? 1 : temperature
  // Hot sampling takes tokens whose own probability is 0 in f32, so their log-probability cannot be its logarithm.
  const distribution = (scores: Value): Record<string, Value> => {
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
      const T = Math.min(config.contextLength, Math.ceil(Math.max(...prompts.map((p) => p.length)) / 64) * 64)
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
          onKeysValues: (_, k, v) => kv.push(transpose(k), v),
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
      const outputs = await program.run(
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
      return next(outputs)
    },

    /** Gives rows to completions of the prompts just read. */
    async start(items: readonly { from: number; writing: Writing }[]) {
      const { kv, rows, length } = read!
      read = undefined
      if (items.length === 0) return release(kv)
      await arrange(Math.max(...items.map(({ writing }) => writing.length)))
      const blocks = items.flatMap(({ from, writing }) => {
        const slot = writings.indexOf(undefined)
        writings[slot] = writing
        const to = { rows: size, width: capacity, row: slot, column: column - writing.length }
        return columns(writing.length, { rows, width: length, row: from, column: 0 }, to, 1)
      })
      await engine.copy(kv, cache!, blocks)
      await release(kv)
    },

    /** Reads the last token of every row and returns what may come next. */
    async step(): Promise<NextTokens> {
      await arrange(0)
      const [B, S] = [size, capacity]
      const windowed = windowReached(config, S + 1)
      const program = await policy.program(`step ${B} ${S} ${kind}`, () => {
        const { params, adapters, inputs } = policyInputs(policy)
        const given = {
          tokens: input('tokens', [B, 1], 'i32'),
          positions: input('positions', [B, 1], 'i32'),
          seen: input('seen', [B, 1, 1, S]),
          ...(windowed ? { near: input('near', [B, 1, 1, S]) } : {}),
        }
        const past = Array.from({ length: layers }, (_, l) => ({
          k: input(`past.${l}.k`, [B, kvHeads, headDim, S]),
          v: input(`past.${l}.v`, [B, kvHeads, S, headDim]),
        }))
        const kv: Value[] = []
        const hidden = decoder(params, { ...given, mask: constant(0) }, config, {
          ...(adapters ? { adapters } : {}),
          past: { blocks: past, mask: given.seen, ...(given.near ? { windowMask: given.near } : {}) },
          onKeysValues: (_, k, v) => kv.push(transpose(k), v),
        })
        const pastInputs = Object.fromEntries(
          past.flatMap(({ k, v }, l) => [
            [`past.${l}.k`, k],
            [`past.${l}.v`, v],
          ]),
        )
        return graph(
          { ...inputs, ...given, ...pastInputs },
          { ...distribution(logits(params, reshape(hidden, [B, config.hiddenSize]), config)), kv: stacked(kv) },
        )
      })
      if (!fresh || fresh.shape[1] !== B) {
        await release(fresh)
        fresh = await allocate([planes, B, kvHeads * headDim])
      }
      const plane = B * kvHeads * S * headDim
      const past = Object.fromEntries(
        Array.from({ length: layers }, (_, l) =>
          ['k', 'v'].map(
            (name, c) =>
              [
                `past.${l}.${name}`,
                part(cache!, (2 * l + c) * plane, c === 0 ? [B, kvHeads, headDim, S] : [B, kvHeads, S, headDim]),
              ] as const,
          ),
        ).flat(),
      )
      const tokens = Int32Array.from(writings, (w) => w?.ids.at(-1) ?? 0)
      const positions = Int32Array.from(writings, (w) => w?.length ?? 0)
      // The token that is read counts among those of a window.
      const lately = (most: number) => {
        const seen = new Float32Array(B * S).fill(HIDDEN)
        writings.forEach((w, b) => {
          if (w) seen.fill(0, b * S + column - Math.min(w.length, most), b * S + column)
        })
        return tensor(seen, [B, 1, 1, S])
      }
      const outputs = await program.run(
        {
          ...policy.given,
          ...past,
          tokens: tensor(tokens, [B, 1]),
          positions: tensor(positions, [B, 1]),
          seen: lately(S),
          ...(windowed ? { near: lately(config.window!.size - 1) } : {}),
        },
        { kv: fresh },
      )
      await engine.copy(fresh, cache!, columns(1, { rows: B, width: 1, row: 0, column: 0 }, { rows: B, width: S, row: 0, column }, B))
      column++
      for (const w of writings) if (w) w.length++
      return next(outputs)
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
      const packed = await allocate([planes, smaller, kvHeads * capacity * headDim])
      await engine.pick(cache, packed, rows, planes)
      await release(cache)
      cache = packed
      writings = Array.from({ length: smaller }, (_, i) => (alive[i] === undefined ? undefined : writings[alive[i]!]))
      size = smaller
    },

    async close() {
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
