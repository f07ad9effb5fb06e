import type { Resident } from '../engine/index.ts'
import { gradient, graph, input, reshape, splitGraph, sum, type Tensor, tensor, UserError, type Value, zeros } from '../graph/index.ts'
import { forward, type Model, packTrees, type RowShape, rowInputs, runInputs, shapeOf } from '../policy/index.ts'
import { type Lens, lensLogps } from './lens.ts'
import { apart, type Method } from './method.ts'

export interface FitJacobianOptions {
  /** Tokens at the beginning of each text that are left out, as sources and as targets. Default 16. */
  readonly skip?: number
  readonly onText?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/**
 * Rows of a Jacobian lens: how channels of the last residual stream, summed over the tokens counted, change with an earlier one, averaged
 * over the tokens counted. Row r of a batch is asked for the channels that `seed` weighs there.
 *
 * shape  final and each stream f32[R, T, d], counted f32[T], seed f32[R, d] → f32[R, d] for each stream
 */
export function jacobianRows(final: Value, streams: readonly Value[], counted: Value, seed: Value): Value[] {
  const [R, T, d] = final.shape as [number, number, number]
  const places = reshape(counted, [1, T, 1])
  const dy = reshape(seed, [R, 1, d]).mul(places)
  const slopes = Object.values(gradient(final, Object.fromEntries(streams.map((stream, i) => [String(i), stream])), dy))
  return slopes.map((slope) => sum(slope.mul(places), [1]).div(sum(counted)))
}

/**
 * Fits a Jacobian lens: J_l is the mean over texts of (1/|V|) Σ_{t∈V} Σ_{t′∈V, t′≥t} ∂h_final,t′ / ∂h_l,t, where h_final is the residual stream
 * before the last norm and V are the tokens after the skip and before the last one. Each text has one vote; the last map is the identity.
 *
 * throws  UserError for a text without a token to count
 * source  Gurnee et al. 2026, Transformer Circuits Thread, as TransformerLens 4.3 fits it
 */
export async function fitJacobian(
  { policy, config }: Pick<Model, 'policy' | 'config'>,
  texts: readonly { readonly ids: readonly number[] }[],
  { skip = 16, onText, signal }: FitJacobianOptions = {},
): Promise<Lens> {
  const { layers, hiddenSize: d } = config
  const total = Array.from({ length: layers - 1 }, () => new Float64Array(d * d))
  for (const [i, { ids }] of texts.entries()) {
    if (ids.length < skip + 2)
      throw new UserError(
        `fit: a text must have a token after the first ${skip} and before the last, got ${ids.length} tokens; lengthen it, or lower skip`,
      )
    const counted = tensor(
      Float32Array.from(ids, (_, t) => (t >= skip && t < ids.length - 1 ? 1 : 0)),
      [ids.length],
    )
    const R = Math.min(d, Math.max(1, Math.floor(tokensAtOnce / ids.length)))
    const text = layers > 1 ? await openText(policy, ids, counted, R) : undefined
    try {
      for (let from = 0; text && from < d; from += R) {
        signal?.throwIfAborted()
        const rows = await text.rows(from)
        for (const [layer, { data }] of rows.entries())
          for (let k = 0; k < Math.min(R, d - from) * d; k++) total[layer]![from * d + k]! += data[k]! / texts.length
      }
    } finally {
      await text?.close()
    }
    onText?.(i + 1, texts.length)
  }
  return { kind: 'jacobian', maps: [...total.map((sums) => ({ matrix: tensor(Float32Array.from(sums), [d, d]) })), {}] }
}

/** Tokens of a run. */
const tokensAtOnce = 1024

/** A text as it is read once: what its way back needs stays in the engine, and every run goes back for R channels of the last stream. */
async function openText(policy: Model['policy'], ids: readonly number[], counted: Tensor, R: number) {
  const { engine, config } = policy
  const { layers, hiddenSize: d } = config
  const trees = Array.from({ length: R }, () => ({ prompt: ids, completions: [] }))
  const T = ids.length
  const [batch] = packTrees(trees, { lengths: [T], tokenBudget: R * T, wantedMultiple: 1, whole: true, contextLength: T })
  const shape = shapeOf(batch!.rows)
  let split: ReturnType<typeof traced> | undefined
  const program = (part: 'first' | 'second') =>
    policy.program(`jacobian ${part} ${JSON.stringify(shape)}`, () => (split ??= traced(policy, shape))[part])
  const [first, second] = [await program('first'), await program('second')]
  const given = { ...runInputs(policy, batch!), 'jacobian.counted': counted }
  const kept: Record<string, Resident> = {}
  const close = async () => {
    for (const resident of Object.values(kept)) await engine.release(resident)
  }
  try {
    for (const [name, type] of Object.entries(first.graph.outputs)) kept[name] = await engine.allocate(type)
    await first.run(given, kept)
  } catch (error) {
    await close()
    throw error
  }
  return {
    close,
    /** Rows of the matrices of all blocks but the last for R channels from one on, those beyond the last zero. */
    async rows(from: number): Promise<Tensor[]> {
      const seed = zeros([R, d])
      for (let r = 0; r < R && from + r < d; r++) seed.data[r * d + from + r] = 1
      const found = await second.run({ ...given, ...kept, 'jacobian.seed': seed })
      return Array.from({ length: layers - 1 }, (_, layer) => found[String(layer)]!)
    },
  }
}

/** The pass forward, and the way back from it; every row reads the same tokens. */
function traced(policy: Model['policy'], shape: RowShape) {
  const streams: Value[] = []
  const rows = rowInputs(shape)
  const { inputs } = forward(policy, rows, {
    path: 'rows',
    look(name, x) {
      if (/^blocks\.\d+\.out$/.test(name)) streams.push(x)
    },
  })
  const { rows: R, length: T } = shape
  const own = { 'jacobian.counted': input('jacobian.counted', [T]), 'jacobian.seed': input('jacobian.seed', [R, policy.config.hiddenSize]) }
  const found = jacobianRows(streams.at(-1)!, streams.slice(0, -1), own['jacobian.counted'], own['jacobian.seed'])
  const whole = graph({ ...inputs, ...rows, ...own }, Object.fromEntries(found.map((x, layer) => [String(layer), x])))
  return splitGraph(whole, { early: ['tokens'], late: ['jacobian.seed'], rows: R })
}

/** The Jacobian lens, with what must hold of it. */
export const jacobianLensMethod: Method = {
  name: 'Jacobian lens',
  about:
    'The next token that the residual stream after each block leads to on average: softmax(W_U · norm(J h)), J the mean derivative of the last stream.',
  source: 'Gurnee et al. 2026, Transformer Circuits Thread',

  async laws(model) {
    const text = 'Once upon a time there was'
    const ids = model.ids(text)
    const lens = await fitJacobian(model, [{ ids }], { skip: 1 })
    const last = model.config.layers - 1
    const { stream } = await model.read(text, { stream: `blocks.${last}.out` })
    const read = (await lensLogps(model.policy, stream, lens.maps[last])).data.slice()
    const V = ids.slice(1, -1).map((_, i) => i + 1)
    // A small push along one channel at all tokens counted moves the last stream as J says.
    const [h, channel] = [3e-2, 2]
    const pushed = (by: number) =>
      model
        .with(
          (_, x, at) => {
            const d = model.config.hiddenSize
            return x.add(at.input('push', [1, ids.length, d]))
          },
          { at: 'blocks.0.out', feeds: () => ({ push: pushOf(by, ids.length, model.config.hiddenSize, V, channel) }) },
        )
        .read(text, { x: `blocks.${last}.out` })
    const [up, down] = [await pushed(h), await pushed(-h)]
    const d = model.config.hiddenSize
    const moved = Array.from(
      { length: d },
      (_, c) => V.reduce((total, t) => total + (up.x.data[t * d + c]! - down.x.data[t * d + c]!) / (2 * h), 0) / V.length,
    )
    const { matrix } = lens.maps[0]!
    const column = Array.from({ length: d }, (_, c) => (matrix ? matrix.data[c * d + channel]! : c === channel ? 1 : 0))
    const size = Math.max(...column.map(Math.abs))
    return [
      {
        law: 'after the last block it is the model’s own output',
        seen: apart(read, (await model.logprobs(text)).data),
        wanted: 0,
        within: 1e-4,
      },
      {
        law: 'a push along a channel moves the last stream as the matrix says',
        seen: apart(moved, column) / size,
        wanted: 0,
        within: 2e-2,
      },
    ]
  },
}

function pushOf(by: number, T: number, d: number, places: readonly number[], channel: number): Tensor {
  const push = zeros([1, T, d])
  for (const t of places) push.data[t * d + channel] = by
  return push
}
