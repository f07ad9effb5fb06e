import type { Engine, Program, Resident, Update } from '../engine/index.ts'
import {
  gradient,
  graph,
  input,
  matmul,
  maximum,
  mean,
  reshape,
  stopGradient,
  sum,
  type Tensor,
  tensor,
  UserError,
} from '../graph/index.ts'
import { random } from '../random/index.ts'
import { adamw, traceUpdate } from '../train/index.ts'
import { largest, type SparseAutoencoder } from './sparse-autoencoder.ts'

export interface FitAutoencoder {
  readonly features: number
  /** How many features of a row stay. */
  readonly k: number
  readonly lr?: number
  readonly seed?: number
  /** Of the loss for dead features, 0 for none. Default 1/32. */
  readonly auxiliary?: {
    readonly weight?: number
    /** How many dead features of a row it is over. Default half of d. */
    readonly k?: number
    /** Rows after which a feature that no row kept counts as dead. Default 50 000. */
    readonly after?: number
  }
  /** Parameters to begin with. */
  readonly from?: SparseAutoencoder['params']
  readonly signal?: AbortSignal
  readonly onStep?: (step: number, loss: number, dead: number) => void
}

/**
 * Trains a top-k sparse autoencoder on batches of rows, as they come: b_dec begins at the mean of the first batch, W_enc as the transpose of W_dec, whose
 * rows have length 1 and are put back to it after every step. The gradient passes through the features that stay.
 *
 * Features that no row has kept for a while are dead. The auxiliary loss asks the largest of them for what the others missed: with e = x − x̂ held as it is
 * and ê the sum of the dead features kept for it, weight · ‖e − ê‖².
 *
 * shape   every batch f32[rows, d], of one shape
 * units   both losses over ‖x − x̄‖², the means over a batch; onStep is told the first alone
 * throws  UserError when there is no batch, or k is more than the features
 * source  Gao et al. 2024, arXiv:2406.04093, sections 2.4 (auxiliary loss) and A.2
 */
export async function fitAutoencoder(
  engine: Engine,
  batches: AsyncIterable<Tensor> | Iterable<Tensor>,
  { features, k, lr = 1e-3, seed = 0, auxiliary = {}, from, signal, onStep }: FitAutoencoder,
): Promise<SparseAutoencoder> {
  if (!(k >= 1 && k <= features)) throw new UserError(`autoencoder: k must be 1 to ${features}, got ${k}; lower it`)
  const optimizer = adamw({ lr })
  let step = 0
  let state: State | undefined
  const { weight = 1 / 32, after = 50_000 } = auxiliary
  // Rows since one of them kept the feature.
  const idle = new Float64Array(features)
  try {
    for await (const x of batches) {
      signal?.throwIfAborted()
      state ??= await open(engine, x, from ?? begun(x, features, seed), weight, optimizer)
      const { params, grads, moments, encoding, descent, update } = state
      const { hidden } = await encoding.run({ x, ...params })
      const into = Object.fromEntries(names.map((name) => [`grad.${name}`, grads[name]] as const))
      const kept = marksOf(hidden!, k)
      const dead = Array.from(idle.keys()).filter((f) => idle[f]! >= after)
      const revived = marksOf(hidden!, Math.min(auxiliary.k ?? Math.ceil(x.shape[1]! / 2), dead.length), dead)
      const { loss } = await descent.run({ x, kept, revived, ...params }, into)
      count(idle, kept, hidden!)
      step++
      const items = names.map((name) => ({ param: params[name], grad: grads[name], m: moments.m[name], v: moments.v[name] }))
      await update.apply(items, { lr, clip: 1, ...optimizer.scalars(step) })
      await engine.write(params.W_dec, ofLengthOne(await engine.read(params.W_dec)))
      onStep?.(step, loss!.data[0]!, dead.length)
    }
    if (!state) throw new UserError('autoencoder: at least one batch of rows is needed, got none; give more texts')
    const { params } = state
    const found = await Promise.all(names.map(async (name) => [name, copied(await engine.read(params[name]))] as const))
    return { k, centred: true, rescaled: false, params: Object.fromEntries(found) as SparseAutoencoder['params'] }
  } finally {
    await state?.close()
  }
}

const names = ['W_enc', 'b_enc', 'W_dec', 'b_dec'] as const
type Params = Readonly<Record<(typeof names)[number], Resident>>

interface State {
  readonly params: Params
  readonly grads: Params
  readonly moments: Readonly<Record<'m' | 'v', Params>>
  readonly encoding: Program
  readonly descent: Program
  readonly update: Update
  close(): Promise<void>
}

/** Parameters in the engine, and the programs of a step for batches of this shape. */
async function open(
  engine: Engine,
  x: Tensor,
  first: SparseAutoencoder['params'],
  weight: number,
  optimizer: ReturnType<typeof adamw>,
): Promise<State> {
  const [rows, d] = x.shape as [number, number]
  const features = first.b_enc.shape[0]!
  const allocate = async () => {
    const made = await Promise.all(
      names.map(async (name) => [name, await engine.allocate({ dtype: 'f32', shape: first[name].shape })] as const),
    )
    return Object.fromEntries(made) as unknown as Params
  }
  const [params, grads, m, v] = [await allocate(), await allocate(), await allocate(), await allocate()]
  for (const name of names) await engine.write(params[name], first[name])
  const at = { x: input('x', [rows, d]), kept: input('kept', [rows, features]), revived: input('revived', [rows, features]) }
  const traced = Object.fromEntries(names.map((name) => [name, input(name, first[name].shape)] as const)) as Record<
    (typeof names)[number],
    ReturnType<typeof input>
  >
  const hidden = matmul(at.x.sub(reshape(traced.b_dec, [1, d])), traced.W_enc).add(reshape(traced.b_enc, [1, features]))
  const positive = maximum(hidden, hidden.mul(0))
  const missed = at.x.sub(matmul(positive.mul(at.kept), traced.W_dec).add(reshape(traced.b_dec, [1, d])))
  const square = (value: typeof missed) => sum(value.mul(value))
  const spread = square(at.x.sub(mean(at.x, [0])))
  const loss = square(missed).div(spread)
  const auxiliary = square(stopGradient(missed).sub(matmul(positive.mul(at.revived), traced.W_dec))).div(spread)
  const slopes = gradient(weight === 0 ? loss : loss.add(auxiliary.mul(weight)), traced)
  const outputs = Object.fromEntries(names.map((name) => [`grad.${name}`, (slopes as typeof traced)[name]] as const))
  const { inputs, outputs: updated } = traceUpdate(optimizer)
  const encoding = await engine.compile(graph({ x: at.x, ...traced }, { hidden }))
  // What no output reads is still fed, so that a step is the same with the auxiliary loss and without.
  const descent = await engine.compile(graph({ ...at, ...traced }, { loss, ...outputs }))
  return {
    params,
    grads,
    moments: { m, v },
    encoding,
    descent,
    update: await engine.compileUpdate(graph(inputs, updated)),
    async close() {
      await encoding.close()
      await descent.close()
      for (const resident of [params, grads, m, v].flatMap((group) => Object.values(group))) await engine.release(resident)
    },
  }
}

/** Parameters that nothing was trained of: random directions, each read along itself from the mean of the rows. */
export function begun(x: Tensor, features: number, seed: number): SparseAutoencoder['params'] {
  const [rows, d] = x.shape as [number, number]
  const decoder = ofLengthOne(tensor(Float32Array.from(random(seed, 'autoencoder').normals(features * d)), [features, d]))
  const mean = new Float32Array(d)
  for (let i = 0; i < rows * d; i++) mean[i % d]! += x.data[i]! / rows
  const encoder = Float32Array.from({ length: d * features }, (_, i) => decoder.data[(i % features) * d + Math.floor(i / features)]!)
  return {
    W_enc: tensor(encoder, [d, features]),
    b_enc: tensor(new Float32Array(features), [features]),
    W_dec: decoder,
    b_dec: tensor(mean, [d]),
  }
}

/** 1 where a feature is among the k largest of its row, of those named, else 0. */
function marksOf({ shape, data }: Tensor, k: number, among?: readonly number[]): Tensor {
  const [rows, features] = shape as [number, number]
  const marks = new Float32Array(rows * features)
  for (let i = 0; i < rows && k > 0; i++) {
    const row = data.subarray(i * features, (i + 1) * features)
    const places = among ? largest(Float32Array.from(among, (f) => row[f]!), k).map((place) => among[place]!) : largest(row, k) // biome-ignore format: one line
    for (const f of places) marks[i * features + f] = 1
  }
  return tensor(marks, [rows, features])
}

/** Adds the rows of a batch to those for which a feature was idle; 0 where one kept it above 0. */
function count(idle: Float64Array, kept: Tensor, hidden: Tensor): void {
  const [rows, features] = kept.shape as [number, number]
  for (let f = 0; f < features; f++) idle[f]! += rows
  for (let i = 0; i < kept.data.length; i++) if (kept.data[i] === 1 && hidden.data[i]! > 0) idle[i % features] = 0
}

function ofLengthOne({ shape, data }: Tensor): Tensor {
  const [rows, d] = shape as [number, number]
  const scaled = Float32Array.from(data)
  for (let f = 0; f < rows; f++) {
    const length = Math.hypot(...data.subarray(f * d, (f + 1) * d)) || 1
    for (let c = f * d; c < (f + 1) * d; c++) scaled[c]! /= length
  }
  return tensor(scaled, [rows, d])
}

function copied({ shape, data }: Tensor): Tensor {
  return tensor(Float32Array.from(data), shape)
}
