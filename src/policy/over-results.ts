import type { FileHandle } from 'node:fs/promises'
import { toHalves } from '../checkpoints/half.ts'
import { safetensorsHead } from '../checkpoints/write-safetensors.ts'
import { type DType, type Shape, sizeOf, type Tensor, UserError, zeros } from '../graph/index.ts'

/** Rows of one tree: where they begin in what a batch returned, where among the rows of all trees, and how many they are. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly count: number
}

type Values = Readonly<Record<string, Tensor>>

/** Sums of what batches return, in f64. */
export function addUp() {
  const sums: Record<string, { dtype: DType; shape: Shape; data: Float64Array }> = {}
  return {
    add(values: Values) {
      for (const [name, { dtype, shape, data }] of Object.entries(values)) {
        const sum = (sums[name] ??= { dtype, shape, data: new Float64Array(data.length) })
        for (let i = 0; i < data.length; i++) sum.data[i]! += data[i]!
      }
    },
    done: (): Record<string, Tensor> => sums,
  }
}

/** Rows of all trees in memory; `lead` axes of what batches return say which row. */
export function collectRows(total: number, lead: number) {
  const rows: Record<string, Tensor> = {}
  return {
    add(values: Values, spans: readonly Span[]) {
      for (const [name, value] of Object.entries(values)) {
        const { shape, width, flat } = asRows(value, lead)
        const all = (rows[name] ??= zeros([total, ...shape], value.dtype))
        for (const { from, to, count } of spans) all.data.set(flat.subarray(from * width, (from + count) * width), to * width)
      }
    },
    done: () => rows,
  }
}

/**
 * Rows of all trees in a safetensors file that is open, each written where it belongs as it comes, through one piece of memory.
 *
 * throws  UserError for a number that is beyond f16, which would silently be infinite
 */
export function writeRows(handle: FileHandle, total: number, lead: number, dtype: 'f32' | 'f16' = 'f32') {
  let begin: Readonly<Record<string, number>> | undefined
  const shapes: Record<string, Tensor> = {}
  const piece = Buffer.allocUnsafeSlow(4 * PIECE)
  const [whole, halves] = [new Uint32Array(piece.buffer), new Uint16Array(piece.buffer)]
  return {
    async add(values: Values, spans: readonly Span[]) {
      if (!begin) {
        for (const [name, value] of Object.entries(values))
          shapes[name] = { dtype: value.dtype, shape: [total, ...asRows(value, lead).shape], data: new Float32Array() }
        const { head, starts } = safetensorsHead(Object.entries(shapes), dtype)
        await handle.write(head, 0, head.length, 0)
        begin = starts
      }
      for (const [name, value] of Object.entries(values)) {
        const { width, flat } = asRows(value, lead)
        const bits = new Uint32Array(flat.buffer, flat.byteOffset, flat.length)
        const half = dtype === 'f16' && value.dtype === 'f32'
        const bytes = half ? 2 : 4
        for (const { from, to, count } of joined(spans))
          for (let done = 0; done < count * width; done += PIECE) {
            const start = from * width + done
            const end = Math.min(start + PIECE, (from + count) * width)
            if (half) {
              const beyond = toHalves(bits.subarray(start, end), halves)
              if (beyond >= 0) throw new UserError(`${name}: f16 holds numbers of up to 65504, got ${flat[start + beyond]}; write f32`)
              // The numbers lie in shared memory, which a file does not take.
            } else whole.set(bits.subarray(start, end))
            await writeAt(handle, piece.subarray(0, bytes * (end - start)), begin[name]! + bytes * (to * width + done))
          }
      }
    },
    done: () => shapes,
  }
}

/** Numbers that are written at a time. */
const PIECE = 1 << 20

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
}

/** Spans with those that follow each other in the batch as they do in the file made one. */
function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = []
  for (const span of spans.toSorted((a, b) => a.to - b.to)) {
    const last = all.at(-1)
    if (last && last.from + last.count === span.from && last.to + last.count === span.to)
      all[all.length - 1] = { ...last, count: last.count + span.count }
    else all.push(span)
  }
  return all
}

/** A value as rows, whose first `lead` axes say which. */
function asRows({ shape, data }: Tensor, lead: number): { shape: Shape; width: number; flat: Float32Array } {
  const row = shape.slice(lead)
  return { shape: row, width: sizeOf(row), flat: data as Float32Array }
}
