import type { Engine, Program, Resident, Update } from '../engine/index.ts'
import { gradient, graph, input, matmul, maximum, mean, reshape, sum, type Tensor, tensor, UserError } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { adamw, traceUpdate } from '../train/index.ts'
import { largest, type SparseAutoencoder } from './sparse-autoencoder.ts'

export interface FitAutoencoder {
  readonly features: number
  /** How many features of a row stay. */
  readonly k: number
  readonly lr?: number
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onStep?: (step: number, loss: number) => void
}

/**
 * Trains a top-k sparse autoencoder on batches of rows, as they come: b_dec begins at the mean of the first batch, W_enc as the transpose of W_dec, whose
 * rows have length 1 and are put back to it after every step. The gradient passes through the features that stay.
 *
 * shape   every batch f32[rows, d], of one shape
 * units   loss ‖x − x̂‖² / ‖x − x̄‖², the means over a batch
 * throws  UserError when there is no batch, or k is more than the features
 * source  Gao et al. 2024, arXiv:2406.04093, without its auxiliary loss for dead features: count them with reconstruction
 */
export async function fitAutoencoder(
  engine: Engine,
  batches: AsyncIterable<Tensor> | Iterable<Tensor>,
  { features, k, lr = 1e-3, seed = 0, signal, onStep }: FitAutoencoder,
): Promise<SparseAutoencoder> {
  if (!(k >= 1 && k <= features)) throw new UserError(`autoencoder: k must be 1 to ${features}, got ${k}; lower it`)
  const optimizer = adamw({ lr })
  let step = 0
  let state: State | undefined
  try {
    for await (const x of batches) {
      signal?.throwIfAborted()
      state ??= await open(engine, x, features, seed, optimizer)
      const { params, grads, moments, encoding, descent, update } = state
      const { hidden } = await encoding.run({ x, ...params })
      const into = Object.fromEntries(names.map((name) => [`grad.${name}`, grads[name]] as const))
      const { loss } = await descent.run({ x, kept: marksOf(hidden!, k), ...params }, into)
      step++
      const items = names.map((name) => ({ param: params[name], grad: grads[name], m: moments.m[name], v: moments.v[name] }))
      await update.apply(items, { lr, clip: 1, ...optimizer.scalars(step) })
      await engine.write(params.W_dec, ofLengthOne(await engine.read(params.W_dec)))
      onStep?.(step, loss!.data[0]!)
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
async function open(engine: Engine, x: Tensor, features: number, seed: number, optimizer: ReturnType<typeof adamw>): Promise<State> {
  const [rows, d] = x.shape as [number, number]
  const first = begun(x, features, seed)
  const allocate = async () => {
    const made = await Promise.all(
      names.map(async (name) => [name, await engine.allocate({ dtype: 'f32', shape: first[name].shape })] as const),
    )
    return Object.fromEntries(made) as unknown as Params
  }
  const [params, grads, m, v] = [await allocate(), await allocate(), await allocate(), await allocate()]
  for (const name of names) await engine.write(params[name], first[name])
  const at = { x: input('x', [rows, d]), kept: input('kept', [rows, features]) }
  const traced = Object.fromEntries(names.map((name) => [name, input(name, first[name].shape)] as const)) as Record<
    (typeof names)[number],
    ReturnType<typeof input>
  >
  const hidden = matmul(at.x.sub(reshape(traced.b_dec, [1, d])), traced.W_enc).add(reshape(traced.b_enc, [1, features]))
  const back = matmul(maximum(hidden, hidden.mul(0)).mul(at.kept), traced.W_dec).add(reshape(traced.b_dec, [1, d]))
  const square = (value: typeof back) => sum(value.mul(value))
  const spread = square(at.x.sub(mean(at.x, [0])))
  const loss = square(at.x.sub(back)).div(spread)
  const slopes = gradient(loss, traced)
  const outputs = Object.fromEntries(names.map((name) => [`grad.${name}`, (slopes as typeof traced)[name]] as const))
  const { inputs, outputs: updated } = traceUpdate(optimizer)
  const encoding = await engine.compile(graph({ x: at.x, ...traced }, { hidden }))
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

function begun(x: Tensor, features: number, seed: number): Record<(typeof names)[number], Tensor> {
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

/** 1 where a feature is among the k largest of its row, else 0. */
function marksOf({ shape, data }: Tensor, k: number): Tensor {
  const [rows, features] = shape as [number, number]
  const marks = new Float32Array(rows * features)
  for (let i = 0; i < rows; i++) for (const f of largest(data.subarray(i * features, (i + 1) * features), k)) marks[i * features + f] = 1
  return tensor(marks, [rows, features])
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
