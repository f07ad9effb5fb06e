import { sharedTensor } from '../engine/index.ts'
import { graph, input, linear, logSumExp, type Tensor } from '../graph/index.ts'
import { logits } from '../models/head.ts'
import { norm } from '../models/norm.ts'
import { at, type Model, type Policy, policyInputs, slice, top as topOf } from '../policy/index.ts'

/** What a lens makes of the residual stream h after a block before the last norm reads it: h·matrixᵀ + bias. */
export interface LensMap {
  /** f32[d, d]; a row is a channel of what the last norm reads. Left out: the identity. */
  readonly matrix?: Tensor
  /** f32[d]. Left out: nothing is added. */
  readonly bias?: Tensor
}

/** A map for the residual stream after each block, the first block's first. */
export interface Lens {
  readonly kind: 'logit' | 'tuned' | 'jacobian'
  readonly maps: readonly LensMap[]
}

/** What a lens reads at a token after a block. */
export interface LensRow {
  /** The block after which it reads, counted from 0. */
  readonly layer: number
  readonly position: number
  /** The vocabulary's piece at that position. */
  readonly token: string
  /** The likeliest next tokens, nats. */
  readonly top: readonly { readonly token: string; readonly logp: number }[]
}

export interface ReadLensOptions {
  readonly lens: Lens
  /** How many of the likeliest tokens. Default 5. */
  readonly top?: number
  readonly onLayer?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/**
 * Next tokens that a lens reads after every block at every token of a text: softmax(W_U · norm(map(h))), W_U the head and norm the last one.
 *
 * throws  UserError as Model.read
 */
export async function readLens(model: Model, text: string, { lens, top = 5, onLayer, signal }: ReadLensOptions): Promise<LensRow[]> {
  const { layers } = model.config
  const pieces = model.pieces(text)
  const { streams } = await model.read(text, { streams: 'blocks.*.out' })
  const rows: LensRow[] = []
  for (let layer = 0; layer < layers; layer++) {
    signal?.throwIfAborted()
    const stream = streams[`blocks.${layer}.out`]!
    for (let from = 0; from < pieces.length; from += rowsAtOnce) {
      const logps = await lensLogps(model.policy, slice(stream, from, from + rowsAtOnce), lens.maps[layer])
      for (let i = 0; i < logps.shape[0]!; i++) {
        const best = topOf(at(logps, i), top)
        const said = model.tokenizer.pieces(best.map(({ place }) => place))
        const position = from + i
        rows.push({ layer, position, token: pieces[position]!, top: best.map(({ value }, k) => ({ token: said[k]!, logp: value })) })
      }
    }
    onLayer?.(layer + 1, layers)
  }
  return rows
}

/** Rows of the vocabulary's width that are held at a time. */
const rowsAtOnce = 64

/**
 * Log-probabilities of the next token that a map reads from residual streams. The numbers are written over by the next call of this shape.
 *
 * shape   f32[tokens, d] → f32[tokens, V], nats
 */
export async function lensLogps(policy: Policy, streams: Tensor, { matrix, bias }: LensMap = {}): Promise<Tensor> {
  const { config } = policy
  const parts = { streams, ...(matrix ? { matrix } : {}), ...(bias ? { bias } : {}) }
  const names = Object.keys(parts)
  const program = await policy.program(`lens ${names} ${streams.shape[0]}`, () => {
    const { params, inputs } = policyInputs(policy)
    const read = Object.fromEntries(Object.entries(parts).map(([name, { shape }]) => [name, input(`lens.${name}`, shape)]))
    const mapped = read.matrix ? linear(read.streams!, read.matrix) : read.streams!
    const moved = read.bias ? mapped.add(read.bias) : mapped
    const scores = logits(params, norm(moved, params.norm, params.normBias, config), config)
    return graph({ ...inputs, ...read }, { logps: scores.sub(logSumExp(scores)) })
  })
  const known = buffers.get(policy.engine) ?? new Map<string, Tensor>()
  buffers.set(policy.engine, known)
  const type = program.graph.outputs.logps!
  const key = type.shape.join()
  const logps = known.get(key) ?? sharedTensor(type)
  known.set(key, logps)
  await program.run({ ...policy.given, ...parts }, { logps })
  return logps
}
const buffers = new WeakMap<Policy['engine'], Map<string, Tensor>>()
