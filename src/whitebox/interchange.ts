import { vectorsAt } from '../checkpoints/index.ts'
import {
  argMax,
  gradient,
  linear,
  logSumExp,
  reshape,
  slice,
  sum,
  type Tensor,
  takeRows,
  tensor,
  UserError,
  type Value,
} from '../graph/index.ts'
import { capped } from '../models/capped.ts'
import type { DecoderConfig } from '../models/index.ts'
import { tapsNamed } from '../models/taps.ts'
import { type Edit, edited, type Model, over, type See, type Seen } from '../policy/index.ts'
import { type Basis, dot, projected } from './subspace.ts'

/** A base text, a source text, and what the base should say when one variable of it is the source's. Positions count the begin token as 0. */
export interface InterchangeRow {
  readonly base: readonly number[]
  readonly source: readonly number[]
  readonly basePosition: number
  readonly sourcePosition: number
  /** What a causal model predicts after the base with the variable of the source. */
  readonly answer: number
  /** What is said otherwise. */
  readonly wrong: number
}

/** What a model says after the base of one row. */
export interface Outcome {
  /** logit(answer) − logit(wrong), nats. */
  readonly difference: number
  /** Log-probability of the answer, nats. */
  readonly logp: number
  /** Whether no token of the vocabulary is likelier than the answer, by 1e-4 nats. */
  readonly first: boolean
}

/** Interchange interventions at one tap of a model: x′ = x_base + RᵀR(x_source − x_base) at one position of the base. */
export interface Interchange {
  readonly tap: string
  readonly width: number
  readonly rows: readonly InterchangeRow[]
  /** x_source − x_base of every row. */
  readonly differences: readonly Float64Array[]
  /** The mean of x_base and x_source over the rows. */
  readonly mean: Float64Array
  /** How many batches `slope` takes. */
  readonly batches: number
  /** What is said where `moved` is added to x_base; nothing moved is the base itself. */
  run(moved: (row: number) => ArrayLike<number>): Promise<Outcome[]>
  /**
   * The loss of a batch, and its gradient with respect to R.
   *
   * units   loss −logp(answer), nats, the mean over the rows
   */
  slope(basis: Basis, batch: number): Promise<{ readonly loss: number; readonly gradient: Float64Array[] }>
}

/** Texts that are run at a time; programs take a multiple of eight. */
const rowsAtOnce = 32

/**
 * Reads what rows need, once: the model is frozen, so an interchange is a vector that is added, and what lies before the tap is not computed again where
 * the tap holds all that goes on.
 *
 * throws  UserError for a tap that is not one of vectors of tokens, and for a position that a text does not have
 * source  Geiger et al. 2021, arXiv:2106.02997; Geiger et al. 2023, arXiv:2303.02536
 */
export async function openInterchange(
  model: Pick<Model, 'policy' | 'config'>,
  rows: readonly InterchangeRow[],
  tap: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Interchange> {
  const { config } = model
  const width = widthAt(tap, config)
  for (const [i, row] of rows.entries()) checkRow(row, i, config)
  const [xBase, xSource] = [await valuesOf(model, rows, tap, 'base', signal), await valuesOf(model, rows, tap, 'source', signal)]
  const mean = new Float64Array(width)
  const differences = rows.map((row, i) => {
    const at = (x: Float32Array, position: number) => x.subarray(position * width, (position + 1) * width)
    const [from, to] = [at(xBase[i]!, row.basePosition), at(xSource[i]!, row.sourcePosition)]
    for (let k = 0; k < width; k++) mean[k]! += (from[k]! + to[k]!) / 2 / rows.length
    return Float64Array.from(to, (x, k) => x - from[k]!)
  })
  const batches = batchesOf(rows, config)

  async function each(batch: Batch, moved: (row: number) => ArrayLike<number>, slopes: boolean) {
    signal?.throwIfAborted()
    const { places, T, R } = batch
    const padded = Array.from({ length: R }, (_, r) => places[r] ?? places[0]!)
    const table = (of: (place: number, r: number) => ArrayLike<number>, w: number) => {
      const data = new Float32Array(R * w)
      padded.forEach((place, r) => void data.set(of(place, r), r * w))
      return tensor(data, [R, w])
    }
    const ids = (of: 'answer' | 'wrong') =>
      tensor(
        Int32Array.from(padded, (place) => rows[place]![of]),
        [R],
      )
    const oneAt = (position: (row: InterchangeRow) => number) => table((place) => Array.from({ length: T }, (_, t) => Number(t === position(rows[place]!))), T) // biome-ignore format: one line
    const mask = oneAt(({ basePosition }) => basePosition)
    const feeds: Record<string, Tensor> = { moved: table((place) => moved(place), width), mask }
    if (isCut(tap)) feeds.stream = table((place) => xBase[place]!, T * width)
    const policy = edited(model.policy, addMoved, { at: tap, feeds: () => feeds })
    const last = oneAt(({ base }) => base.length - 1)
    const weights = tensor(Float32Array.from({ length: R }, (_, r) => (r < places.length ? 1 / places.length : 0)), [R]) // biome-ignore format: one line
    const read = { last, mask, weights, answers: ids('answer'), wrongs: ids('wrong') }
    const packing = { lengths: [T], tokenBudget: R * T, wantedMultiple: 1 }
    const trees = padded.map((place) => {
      const { base } = rows[place]!
      return { prompt: [...base, ...new Array<number>(T - base.length).fill(base.at(-1)!)], completions: [] }
    })
    return over(policy, trees, seeOf(config, tap, slopes), { per: 'tree', packing, feeds: () => read })
  }

  return {
    tap,
    width,
    rows,
    differences,
    mean,
    batches: batches.length,
    async run(moved) {
      const outcomes: Outcome[] = new Array(rows.length)
      for (const batch of batches) {
        const { answer, wrong, highest, logp } = (await each(batch, moved, false)) as Record<string, Tensor>
        batch.places.forEach((place, r) => {
          const said = answer!.data[r]!
          outcomes[place] = { difference: said - wrong!.data[r]!, logp: logp!.data[r]!, first: said >= highest!.data[r]! - 1e-4 }
        })
      }
      return outcomes
    },
    async slope(basis, number) {
      const batch = batches[number]!
      const found = await each(batch, (place) => projected(basis, differences[place]!), true)
      const slopes = basis.map(() => new Float64Array(width))
      let loss = 0
      batch.places.forEach((place, r) => {
        loss -= found.logp!.data[r]! / batch.places.length
        const [g, difference] = [found.slope!.data.subarray(r * width, (r + 1) * width), differences[place]!]
        // RᵀRΔ = Σ r(r·Δ), so each r has g(r·Δ) + Δ(r·g).
        basis.forEach((row, j) => {
          const [along, against] = [dot(row, difference), dot(row, g)]
          for (let i = 0; i < width; i++) slopes[j]![i]! += along * g[i]! + against * difference[i]!
        })
      })
      return { loss, gradient: slopes }
    },
  }
}

/** How wide the vectors of a tap are. */
function widthAt(tap: string, config: DecoderConfig): number {
  const [name, ...more] = tapsNamed('interchange', tap, config)
  const vectors = vectorsAt(name!, config)
  if (more.length === 0 && vectors && vectors.heads === undefined) return vectors.width
  throw new UserError(`interchange: a tap must hold one vector of each token, got ${tap}; name one such as blocks.0.out`)
}

function checkRow({ base, source, basePosition, sourcePosition }: InterchangeRow, i: number, { contextLength }: DecoderConfig): void {
  for (const [side, ids, position] of [
    ['base', base, basePosition],
    ['source', source, sourcePosition],
  ] as const) {
    // biome-ignore format: one line
    if (ids.length === 0 || ids.length > contextLength)
      throw new UserError(`interchange: row ${i}: ${side} must have 1 to ${contextLength} tokens, got ${ids.length}; ${ids.length ? 'shorten it' : 'give some'}`) // biome-ignore format: one line
    if (!(Number.isInteger(position) && position >= 0 && position < ids.length))
      throw new UserError(`interchange: row ${i}: a position of ${side} must be from 0 to ${ids.length - 1}, got ${position}; give another`)
  }
}

/** The values of every token of each row's text. */
async function valuesOf(
  { policy }: Pick<Model, 'policy'>,
  rows: readonly InterchangeRow[],
  tap: string,
  side: 'base' | 'source',
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  const trees = rows.map((row) => ({ prompt: row[side], completions: [] }))
  const { x } = await over(policy, trees, tokensOf(tap), { per: 'token', ...(signal ? { signal } : {}) })
  const width = x!.shape.at(-1)!
  let from = 0
  return rows.map((row) => (x!.data as Float32Array).subarray(from, (from += row[side].length * width)))
}

function tokensOf(tap: string): See {
  const known = tokenSees.get(tap) ?? (({ tap: of }) => ({ x: of(tap) }))
  tokenSees.set(tap, known)
  return known
}
const tokenSees = new Map<string, See>()

interface Batch {
  readonly places: readonly number[]
  readonly T: number
  readonly R: number
}

/**
 * Rows whose bases have about as many tokens, a few at a time. No token sees those behind it, so a base is filled up with any, and few programs do.
 */
function batchesOf(rows: readonly InterchangeRow[], { contextLength }: DecoderConfig): Batch[] {
  const lengthOf = ({ base }: InterchangeRow) => Math.min(Math.ceil(base.length / 8) * 8, contextLength)
  const lengths = [...new Set(rows.map(lengthOf))].sort((a, b) => a - b)
  return lengths.flatMap((T) => {
    const places = [...rows.keys()].filter((i) => lengthOf(rows[i]!) === T)
    const count = Math.ceil(places.length / rowsAtOnce)
    const R = Math.ceil(places.length / count / 8) * 8
    return Array.from({ length: count }, (_, b) => ({ T, R, places: places.filter((_, i) => i % count === b) }))
  })
}

/** Whether all that goes on from a tap is its value. */
function isCut(tap: string): boolean {
  return /^(embed|blocks\.\d+\.out)$/.test(tap)
}

/** Adds what is moved at each row's position, to the value itself or to what it is known to be. */
const addMoved: Edit = (tap, x, at) => {
  const [R, T, w] = x.shape as [number, number, number]
  const [mask, moved] = [rowOf(at.input('mask', [R, T]), at), rowOf(at.input('moved', [R, w]), at)]
  const known = isCut(tap) ? reshape(rowOf(at.input('stream', [R, T * w]), at), x.shape) : x
  return known.add(reshape(mask, [R, T, 1]).mul(reshape(moved, [R, 1, w])))
}

/** Of a table with a row for each text, that of the text in each row. */
function rowOf(table: Value, { text, tokens }: Pick<Seen, 'text' | 'tokens'>): Value {
  return takeRows(table, reshape(slice(text, 1, 0, 1), [tokens.shape[0]!]))
}

/** What is said at the end of each text, with the gradient of the loss with respect to what was moved where it is asked for. */
function seeOf(config: DecoderConfig, at: string, slopes: boolean): See {
  const sees = known.get(config) ?? new Map<string, See>()
  known.set(config, sees)
  const key = `${at} ${slopes}`
  const interchange: See = (seen) => {
    const { tap, params, perTree, input, tokens } = seen
    const [R, T] = tokens.shape as [number, number]
    const last = reshape(rowOf(input('last', [R, T]), seen), [R, T, 1])
    const hidden = reshape(sum(tap('final').mul(last), [1]), [R, config.hiddenSize])
    const head = params.head ?? params.embed
    const scores = capped(linear(hidden, head), config.logitCap)
    const idsOf = (name: string) => rowOf(input(name, [R], 'i32'), seen)
    const scoreOf = (ids: Value) => reshape(capped(sum(hidden.mul(takeRows(head, ids)), [-1]), config.logitCap), [R])
    const answer = scoreOf(idsOf('answers'))
    const logp = answer.sub(reshape(logSumExp(scores), [R]))
    // A row holds one text; its number goes where its last token is, so that it comes back with the text.
    const ofText = (x: Value) => perTree(reshape(x, [R, 1, 1]).mul(last))
    if (!slopes) {
      const highest = takeRows(reshape(scores, [R * config.vocabSize]), argMax(scores))
      return { answer: ofText(answer), wrong: ofText(scoreOf(idsOf('wrongs'))), logp: ofText(logp), highest: ofText(highest) }
    }
    const loss = sum(logp.mul(rowOf(input('weights', [R]), seen))).neg()
    const { x } = gradient(loss, { x: tap(at) }) as { x: Value }
    return { logp: ofText(logp), slope: perTree(x.mul(reshape(rowOf(input('mask', [R, T]), seen), [R, T, 1]))) }
  }
  const see = sees.get(key) ?? interchange
  sees.set(key, see)
  return see
}
const known = new WeakMap<DecoderConfig, Map<string, See>>()
