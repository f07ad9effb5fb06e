import { Matrix } from 'ml-matrix'
import { random } from '../random/index.ts'
import { type Activations, picked } from './activations.ts'
import { adam } from './adam.ts'
import { mapped, rowsOf, type StitchMap } from './stitch-maps.ts'
import type { Top } from './stitch-top.ts'

export interface FitStitch {
  /** Steps of Adam, one batch each. */
  readonly steps: number
  /** Step size at the start, a share of the size of what is moved; it falls to 0 in a line. */
  readonly lr: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

/** An affine map as one matrix, or as two of a rank: x·down·up + bias. */
export interface Factored {
  readonly down?: Matrix
  readonly up: Matrix
  readonly bias: Float64Array
}

/**
 * Trains a token-wise affine map so that what lies above predicts next tokens from it, by its gradient through that. It begins at the map given, and
 * ends there too where training has not lowered the loss of the texts that it is fitted on.
 *
 * source  Lenc & Vedaldi 2015, arXiv:1411.5908; Bansal et al. 2021, arXiv:2106.07682
 */
export async function fitStitch(
  top: Top,
  batches: number,
  x: Activations,
  start: Factored,
  { steps, lr, seed, signal }: FitStitch,
): Promise<StitchMap> {
  const held = Array.from({ length: batches }, (_, batch) => picked(x, top.places(batch)))
  const at = { ...(start.down ? { down: flat(start.down) } : {}), up: flat(start.up), bias: start.bias.slice() }
  const parts = Object.values(at)
  const sizes = parts.map(sizeOf)
  const moments = parts.map(({ length }) => ({ m: new Float64Array(length), v: new Float64Array(length) }))
  const mapNow = (): StitchMap => {
    const up = Matrix.from1DArray(start.up.rows, start.up.columns, at.up)
    const down = at.down && Matrix.from1DArray(start.down!.rows, start.down!.columns, at.down)
    return { matrix: down ? down.mmul(up) : up, bias: at.bias.slice() }
  }
  const loss = async (map: StitchMap) => mean(await top.losses(mapped(map, x)))
  const first = mapNow()
  const before = await loss(first)
  let order: number[] = []
  for (let step = 1; step <= steps; step++) {
    signal?.throwIfAborted()
    if (order.length === 0) order = random(seed, `stitch/order/${step}`).shuffled([...held.keys()])
    const batch = order.pop()!
    const map = mapNow()
    const { slope } = await top.slope(batch, mapped(map, held[batch]!))
    const slopes = slopesOf(rowsOf(held[batch]!), slope, start, at)
    parts.forEach((part, i) => void adam(part, slopes[i]!, moments[i]!, step, lr * (1 - (step - 1) / steps) * sizes[i]!)) // biome-ignore format: one line
  }
  const trained = mapNow()
  return (await loss(trained)) < before ? trained : first
}

/** What the slope at the rows that a map gives says of its parts, in their order. */
function slopesOf(x: Matrix, slope: Float32Array, { up, down }: Factored, at: { down?: Float64Array; up: Float64Array }): Float64Array[] {
  const d = up.columns
  const g = rowsOf({ n: x.rows, d, data: Float64Array.from(slope) })
  const bias = Float64Array.from(g.sum('column'))
  if (!down) return [flat(x.transpose().mmul(g)), bias]
  const [downNow, upNow] = [Matrix.from1DArray(down.rows, down.columns, at.down!), Matrix.from1DArray(up.rows, up.columns, at.up)]
  return [flat(x.transpose().mmul(g.mmul(upNow.transpose()))), flat(x.mmul(downNow).transpose().mmul(g)), bias]
}

function flat(m: Matrix): Float64Array {
  return Float64Array.from(m.to1DArray())
}

/** The root of the mean square, so that every part moves by as large a share of itself. */
function sizeOf(x: Float64Array): number {
  return Math.sqrt(mean(x.map((v) => v * v))) || 1e-3
}

function mean(x: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]!
  return sum / x.length
}
