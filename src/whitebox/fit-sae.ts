import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { nearDuplicates } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import { activationsOf, meanOf } from './activations.ts'
import { type Quality, qualities, type Reading, through } from './autoencoder-quality.ts'
import { principalComponents } from './directions.ts'
import { begun, fitAutoencoder } from './fit-autoencoder.ts'
import { type Encoder, openEncoder } from './open-encoder.ts'
import { reinitialised } from './reinitialised.ts'
import type { SparseAutoencoder } from './sparse-autoencoder.ts'
import type { ReadText } from './text-file.ts'
import { rowBatches, tokenRows } from './token-rows.ts'

export interface FitSaeOptions {
  readonly tap: string
  /** Default 4 for each number of the tap. */
  readonly features?: number
  readonly k: number
  /** Tokens at the beginning of each text that are left out. Default 1. */
  readonly skip?: number
  /** Share of the texts that is held out. Default 0.1. */
  readonly heldOut?: number
  /** How often the texts are read. Default 2. */
  readonly passes?: number
  /** Rows of a step. Default 1024, or a quarter of the rows where they are few. */
  readonly batch?: number
  readonly lr?: number
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onStep?: (step: number, of: number) => void
}

export interface FittedSae {
  readonly autoencoder: SparseAutoencoder
  readonly steps: number
  /** Rows of the part that was fitted on, and texts of both. */
  readonly tokens: number
  readonly texts: readonly [fit: number, heldOut: number]
  /** On texts held out, near duplicates together. */
  readonly heldOut: Quality
  readonly controls: SaeControls
}

/** What a sparse autoencoder must be held against, on the same held-out texts. */
export interface SaeControls {
  /** The autoencoder as it began: random directions. */
  readonly untrained: Quality
  /** The first k principal components, of up to 4096 tokens fitted on: as many numbers a token, the same ones for all. */
  readonly components: Quality
  /** The same training on the same model with weights drawn anew. */
  readonly reinitialised: Quality
}

/**
 * Trains a sparse autoencoder on what stands at a tap, and says how well it does on texts held out, beside its controls. Rows are scaled by one number,
 * so that lr means the same for every model; what is returned reads them as they are.
 *
 * throws  UserError for texts with too few tokens, a tap that is not one vector for each token, and k beyond features or width
 */
export async function fitSae(model: Model, texts: readonly Pick<ReadText, 'ids'>[], options: FitSaeOptions): Promise<FittedSae> {
  const { tap, k, skip = 1, heldOut = 0.1, passes = 2, lr = 1e-3, seed = 0, signal, onStep } = options
  const [fit, out] = deal(texts, heldOut, seed)
  const tokens = fit.reduce((sum, { ids }) => sum + Math.max(0, ids.length - skip), 0)
  const batch = Math.min(options.batch ?? 1024, Math.max(1, Math.floor(tokens / 4)))
  if (tokens < 2 || out.every(({ ids }) => ids.length <= skip))
    throw new UserError(`autoencoder: texts must have more than the ${skip} tokens that are left out, got ${tokens} tokens to fit on; lower skip or give longer texts`) // biome-ignore format: one line
  const steps = 2 * passes * Math.floor(tokens / batch)
  let step = 0
  const reading = { tap, skip, ...(signal ? { signal } : {}) }
  const train = async (of: Pick<Model, 'policy' | 'config'>) => {
    const batches = await scaled(rowBatches(of, fit, { ...reading, batch, passes, seed }))
    if (k > batches.first.shape[1]!)
      throw new UserError(`autoencoder: k must be at most the ${batches.first.shape[1]} numbers of the tap, got ${k}; lower it`)
    const features = options.features ?? 4 * batches.first.shape[1]!
    const on = { features, k, lr, seed, ...(signal ? { signal } : {}), onStep: () => onStep?.(++step, steps) }
    return { trained: unscaled(await fitAutoencoder(model.policy.engine, batches.rows, on), batches.scale), first: batches.first }
  }
  const { trained, first } = await train(model)
  const features = trained.params.b_enc.shape[0]!
  const start: SparseAutoencoder = { k, centred: true, rescaled: false, params: begun(first, features, seed) }
  const measured = async (of: Pick<Model, 'policy' | 'config'>, autoencoders: Record<string, SparseAutoencoder>, more = {}) => {
    const opened: [string, Encoder][] = []
    for (const [name, one] of Object.entries(autoencoders)) opened.push([name, await openEncoder(model.policy.engine, one)])
    const readings = Object.fromEntries(opened.map(([name, encoder]) => [name, { features, read: through(encoder) }]))
    try {
      return (await qualities(tokenRows(of, out, reading), { ...readings, ...more })) as Record<string, Quality>
    } finally {
      for (const [, encoder] of opened) await encoder.close()
    }
  }
  const many = (await rowBatches(model, fit, { ...reading, batch: Math.min(4096, tokens), passes: 1, seed }).next()).value as Tensor
  const { own, untrained, pca } = await measured(
    model,
    { own: trained, untrained: start },
    { pca: { features: k, read: components(many, k) } },
  )
  const other = await reinitialised(model, seed)
  const { again } = await measured(other, { again: (await train(other)).trained })
  return {
    autoencoder: trained,
    steps: steps / 2,
    tokens,
    texts: [fit.length, out.length],
    heldOut: own!,
    controls: { untrained: untrained!, components: pca!, reinitialised: again! },
  }
}

/** Texts in two parts that share no near duplicates; at least two are held out. */
function deal<T extends Pick<ReadText, 'ids'>>(texts: readonly T[], share: number, seed: number): [fit: T[], heldOut: T[]] {
  const wanted = Math.max(2, Math.round(share * texts.length))
  const [fit, out]: [T[], T[]] = [[], []]
  for (const group of random(seed, 'autoencoder/parts').shuffled(nearDuplicates(texts.map(({ ids }) => ids.join(' ')))))
    (out.length + group.length <= wanted ? out : fit).push(...group.map((i) => texts[i]!))
  if (fit.length < 1 || out.length < 2)
    throw new UserError(`autoencoder: 1 text or more to fit on and 2 to hold out are needed, got ${fit.length} and ${out.length}; near duplicates stay together, so give more that differ`) // biome-ignore format: one line
  return [fit, out]
}

/** Batches whose rows are about as long as the root of their width, around the mean of the first batch. */
async function scaled(batches: AsyncGenerator<Tensor>) {
  const { value: first, done } = await batches.next()
  if (done || !first) throw new UserError('autoencoder: at least one batch of rows is needed, got none; give more texts')
  const [rows, d] = first.shape as [number, number]
  const begin = activationsOf(first)
  const mean = meanOf(begin)
  const square = begin.data.reduce((sum, value, i) => sum + (value - mean[i % d]!) ** 2, 0)
  const scale = Math.sqrt((rows * d) / square)
  const times = (x: Tensor) => tensor(Float32Array.from(x.data, (value) => scale * value), x.shape) // biome-ignore format: one line
  async function* all() {
    yield times(first!)
    for await (const x of batches) yield times(x)
  }
  return { first, scale, rows: all() }
}

/** Of an autoencoder of rows times a number, the one of the rows: its features are as many times smaller, its directions the same. */
function unscaled({ params, ...rest }: SparseAutoencoder, scale: number): SparseAutoencoder {
  const over = ({ shape, data }: Tensor) => tensor(Float32Array.from(data, (value) => value / scale), shape) // biome-ignore format: one line
  return { ...rest, params: { ...params, b_enc: over(params.b_enc), b_dec: over(params.b_dec) } }
}

/** Rows from their k principal components, those of the rows given. */
function components(of: Tensor, k: number): (x: Tensor) => Reading {
  const all = activationsOf(of)
  const mean = meanOf(all)
  const { directions } = principalComponents(all, Math.min(k, all.n - 1, all.d))
  return (x) => {
    const [n, d] = x.shape as [number, number]
    const back = new Float32Array(n * d)
    for (let i = 0; i < n; i++) {
      const row = back.subarray(i * d, (i + 1) * d)
      row.set(mean)
      for (const direction of directions) {
        let along = 0
        for (let c = 0; c < d; c++) along += direction[c]! * (x.data[i * d + c]! - mean[c]!)
        for (let c = 0; c < d; c++) row[c]! += along * direction[c]!
      }
    }
    const used = directions.map((_, i) => i)
    return { back: tensor(back, [n, d]), active: Array.from({ length: n }, () => used) }
  }
}
