import { gradient, graph, input, sum, type Tensor, tensor, type Value } from '../graph/index.ts'
import { type Model, type Policy, policyInputs } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { adam } from './adam.ts'
import { type Lens, type LensMap, lensLogps } from './lens.ts'
import { countedRows, type KlParts, klOf, meanKl, streamsOf } from './lens-kl.ts'
import { apart, type Method } from './method.ts'
import { openTapRows } from './tap-rows.ts'

export interface FitTunedOptions {
  /** Tokens at the beginning of each text that are left out. Default 16. */
  readonly skip?: number
  /** Steps of AdamW without decay, for each block. Default 200. */
  readonly steps?: number
  /** Tokens of a step. Default 128. */
  readonly batch?: number
  /** Step size at the start; it falls to 0 in a line. Default 0.003. */
  readonly lr?: number
  readonly seed?: number
  readonly onStep?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

export interface TunedFit {
  readonly lens: Lens
  /** KL from the model's own output, of each block, over the tokens it was fitted on, before and after; nats a token. */
  readonly kl: readonly { readonly logit: number; readonly tuned: number }[]
}

/**
 * Fits a tuned lens: for every block an affine map, from the identity on, that brings softmax(W_U · norm(A h + b)) near to what the model
 * says, by KL(model ‖ lens). A block whose map would fit worse than the identity keeps that.
 *
 * limits  the residual streams of all texts lie in a temporary file, four bytes a number; memory does not grow with the texts
 * source  Belrose et al. 2023, arXiv:2303.08112
 */
export async function fitTuned(
  model: Pick<Model, 'policy' | 'config'>,
  texts: readonly { readonly ids: readonly number[] }[],
  { skip = 16, steps = 200, batch = 128, lr = 3e-3, seed = 0, onStep, signal }: FitTunedOptions = {},
): Promise<TunedFit> {
  const { layers, hiddenSize: d } = model.config
  const streams = streamsOf(model.config)
  const final = streams.at(-1)!
  const places = countedRows(texts, skip)
  const n = Math.min(batch, places.length)
  const draw = random(seed, 'tuned lens')
  const rows = await openTapRows(model, texts, streams, signal)
  try {
    const maps: LensMap[] = []
    const kl: { logit: number; tuned: number }[] = []
    for (const [layer, stream] of streams.entries()) {
      const logit = await meanKl(model.policy, rows, { stream, final }, places)
      if (layer === layers - 1) {
        maps.push({})
        kl.push({ logit, tuned: logit })
        continue
      }
      const map = mapOf(d)
      const moments = [map.matrix, map.bias].map(({ data }) => ({ m: new Float64Array(data.length), v: new Float64Array(data.length) }))
      for (let step = 1; step <= steps; step++) {
        signal?.throwIfAborted()
        const at = Array.from(draw.integers(n, places.length, (layer * steps + step) * n), (i) => places[i]!)
        const { matrix, bias } = await slopes(model.policy, { streams: rows.rows(stream, at), finals: rows.rows(final, at), ...map })
        const rate = lr * (1 - (step - 1) / steps)
        adam(map.matrix.data, matrix!.data, moments[0]!, step, rate)
        adam(map.bias.data, bias!.data, moments[1]!, step, rate)
        onStep?.(layer * steps + step, (layers - 1) * steps)
      }
      const tuned = await meanKl(model.policy, rows, { stream, final }, places, map)
      maps.push(tuned < logit ? map : {})
      kl.push({ logit, tuned: Math.min(tuned, logit) })
    }
    return { lens: { kind: 'tuned', maps }, kl }
  } finally {
    await rows.close()
  }
}

function mapOf(d: number) {
  const matrix = new Float32Array(d * d)
  for (let i = 0; i < d; i++) matrix[i * (d + 1)] = 1
  return { matrix: tensor(matrix, [d, d]), bias: tensor(new Float32Array(d), [d]) }
}

/** The slopes of the mean KL at a map. */
async function slopes(policy: Policy, given: Required<KlParts<Tensor>>): Promise<Record<string, Tensor>> {
  const parts = Object.entries(given) as [keyof KlParts<Tensor>, Tensor][]
  const program = await policy.program(`tuned ${given.streams!.shape[0]}`, () => {
    const { params, inputs } = policyInputs(policy)
    const read = Object.fromEntries(parts.map(([name, { shape }]) => [name, input(`tuned.${name}`, shape)])) as Record<
      keyof typeof given,
      Value
    >
    const kl = sum(klOf(params, policy.config, read)).div(given.streams.shape[0]!)
    const fed = Object.fromEntries(Object.entries(read).map(([name, x]) => [`tuned.${name}`, x]))
    return graph({ ...inputs, ...fed }, gradient(kl, { matrix: read.matrix, bias: read.bias }))
  })
  return program.run({ ...policy.given, ...Object.fromEntries(parts.map(([name, x]) => [`tuned.${name}`, x])) })
}

/** The tuned lens, with what must hold of it. */
export const tunedLensMethod: Method = {
  name: 'tuned lens',
  about:
    'The next token that an affine map of the residual stream after each block reads as, fitted to what the model says: softmax(W_U · norm(A h + b)).',
  source: 'Belrose et al. 2023, arXiv:2303.08112',

  async laws(model) {
    const text = 'Once upon a time there was'
    const { lens, kl } = await fitTuned(model, [{ ids: model.ids(text) }], { skip: 0, steps: 20, batch: 8 })
    const last = model.config.layers - 1
    const { stream } = await model.read(text, { stream: `blocks.${last}.out` })
    const read = (await lensLogps(model.policy, stream, lens.maps[last])).data.slice()
    const worse = kl.filter(({ logit, tuned }) => tuned > logit).length
    const { logit, tuned } = kl[0]!
    return [
      {
        law: 'after the last block it is the model’s own output',
        seen: apart(read, (await model.logprobs(text)).data),
        wanted: 0,
        within: 1e-4,
      },
      { law: 'its KL is nowhere above the logit lens’s, on what it was fitted on', seen: worse, wanted: 0, within: 0 },
      { law: 'it learns: its KL falls after the first block', seen: Math.max(0, tuned - 0.9 * logit), wanted: 0, within: 0 },
    ]
  },
}
