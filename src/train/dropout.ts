import { createHash } from 'node:crypto'
import { input, type Tensor, tensor, type Value } from '../graph/index.ts'
import type { Adapters } from '../models/index.ts'
import type { RowShape } from '../policy/index.ts'
import { philox } from '../random/index.ts'
import type { MicroBatch } from './micro-batch.ts'
import { type Span, spansOf } from './places.ts'

/** Masks of a step as inputs, by the path of the layer whose adapter reads through them; none without dropout. */
export function maskInputs(
  adapters: Adapters<{ readonly shape: readonly number[] }> | undefined,
  { rows, length }: RowShape,
): Record<string, Value> {
  if (!adapters?.dropout) return {}
  const widths = Object.entries(adapters.layers).map(([path, { a }]) => [path, a.shape[1]!] as const)
  return Object.fromEntries(widths.map(([path, width]) => [path, input(maskName(path), [rows, length, width])]))
}

/**
 * The masks of one micro-batch for a training step, by their input's name: 0 with probability `dropout`, else 1 / (1 − dropout).
 *
 * What is dropped at a prompt's tokens depends on the seed, the step, the prompt, the token's place in it, the layer and the channel; at a
 * completion's tokens on the completion too, and on nothing else: a step is the same however it is packed, accumulated and shared, and after
 * a resume. They are made outside the graph, since ONNX's own random numbers are another run's after a resume; a channel costs one integer
 * hash, so a thousandth of its products.
 *
 * source  Srivastava et al. 2014, JMLR 15:1929; keys by SHA-256 and Philox4x32-10, channels by a two-round multiply-xorshift hash of counter
 *         and key
 */
export function dropoutMasks(
  adapters: Adapters<{ readonly shape: readonly number[] }> | undefined,
  { part: { rows, starts }, trees }: Pick<MicroBatch, 'part' | 'trees'>,
  { seed, step }: { readonly seed: number; readonly step: number },
): Record<string, Tensor> {
  const share = adapters?.dropout ?? 0
  if (!adapters || share === 0) return {}
  const spans = trees.flatMap((tree, i) => {
    const { prompt, completions } = spansOf(tree, starts[i]!.at)
    const keyed = (span: Span, ids: readonly (readonly number[])[]) => ({ ...span, key: keyOf(seed, step, ids) })
    return [keyed(prompt, [tree.prompt]), ...completions.map((span, k) => keyed(span, [tree.prompt, tree.completions[k]!]))]
  })
  const masks = Object.entries(adapters.layers).map(([path, { a }], layer): [string, Tensor] => {
    const width = a.shape[1]!
    const data = new Float32Array(rows.rows * rows.length * width)
    for (const { at, length, key } of spans)
      for (let offset = 0; offset < length; offset++) {
        const from = (at + offset) * width
        fill(data.subarray(from, from + width), philox([offset, layer, 0, 0], key), share)
      }
    return [maskName(path), tensor(data, [rows.rows, rows.length, width])]
  })
  return Object.fromEntries(masks)
}

function keyOf(seed: number, step: number, ids: readonly (readonly number[])[]): readonly [number, number] {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, step, ...ids]))
    .digest()
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)]
}

function fill(row: Float32Array, [start, key]: readonly number[], share: number) {
  const [edge, kept] = [share * 2 ** 32, 1 / (1 - share)]
  for (let i = 0; i < row.length; i++) {
    let x = (start! + Math.imul(i, 0x9e3779b9)) | 0
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad) ^ key!
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
    row[i] = (x ^ (x >>> 15)) >>> 0 < edge ? 0 : kept
  }
}

function maskName(path: string): string {
  return `mask.${path}`
}
