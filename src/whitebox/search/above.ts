import { reshape, slice, type Tensor, takeRows, tensor } from '../../graph/index.ts'
import { type Edit, edited, over, type Policy, reader } from '../../policy/index.ts'
import type { TextBatch } from './text-batches.ts'

/** Residual streams that are kept take this much memory at most, bytes. */
const mostKept = 2 ** 28

/** A policy that begins above a block, and what it is fed with. */
export interface Above {
  /** The same function where nothing below changed; what lies below is not computed. */
  policy(policy: Policy, layer: number, batch: TextBatch): Promise<Policy>
}

/**
 * Keeps the residual streams of a model, so that changes in late blocks do not compute the early ones again and again.
 *
 * shape   the stream after a block of a batch f32[texts, T·d]
 */
export function aboveOf(plain: Policy): Above {
  const d = plain.config.hiddenSize
  const streams = new Map<TextBatch, Map<number, Tensor>>()
  let kept = 0
  let fed: Tensor
  const feeds = () => ({ stream: fed })
  const known = new Map<number, Policy>()
  return {
    async policy(policy, layer, batch) {
      const { R, T, trees } = batch
      let stream = streams.get(batch)?.get(layer)
      if (!stream) {
        const tap = `blocks.${layer}.out`
        const found = await over(plain, trees, reader([tap]), { per: 'token', packing: { lengths: [T], tokenBudget: R * T } })
        stream = tensor(Float32Array.from(found[tap]!.data as Float32Array), [R, T * d])
        const bytes = 4 * R * T * d
        if (kept + bytes > mostKept) {
          streams.clear()
          kept = 0
        }
        kept += bytes
        streams.set(batch, (streams.get(batch) ?? new Map()).set(layer, stream))
      }
      fed = stream
      if (!known.has(layer)) known.set(layer, edited(policy, putStream, { at: `blocks.${layer}.out`, feeds }))
      return known.get(layer)!
    },
  }
}

const putStream: Edit = (_, x, { input, text }) => {
  const [R, T, d] = x.shape as [number, number, number]
  return reshape(takeRows(input('stream', [R, T * d]), reshape(slice(text, 1, 0, 1), [R])), [R, T, d])
}
