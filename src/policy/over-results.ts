import type { FileHandle } from 'node:fs/promises'
import { toHalf } from '../checkpoints/half.ts'
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

/** Rows of all trees in a safetensors file that is open, each written where it belongs as it comes. */
export function writeRows(handle: FileHandle, total: number, lead: number, dtype: 'f32' | 'f16' = 'f32') {
  let begin: Readonly<Record<string, number>> | undefined
  const shapes: Record<string, Tensor> = {}
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
        const half = dtype === 'f16' && value.dtype === 'f32'
        for (const { from, to, count } of joined(spans)) {
          // The numbers lie in shared memory, which a file does not take.
          const numbers = flat.slice(from * width, (from + count) * width)
          const bytes = Buffer.from((half ? halves(name, numbers) : numbers).buffer)
          for (let done = 0; done < bytes.length; ) {
            const at = begin[name]! + (half ? 2 : 4) * to * width + done
            done += (await handle.write(bytes, done, bytes.length - done, at)).bytesWritten
          }
        }
      }
    },
    done: () => shapes,
  }
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

/** Numbers as halves. throws UserError for one that is beyond them, which would silently be infinite */
function halves(name: string, numbers: Float32Array): Uint16Array {
  const bits = new Uint32Array(numbers.buffer)
  const two = new Uint16Array(bits.length)
  for (let i = 0; i < bits.length; i++) {
    two[i] = toHalf(bits[i]!)
    if ((two[i]! & 0x7fff) === 0x7c00 && Number.isFinite(numbers[i]))
      throw new UserError(`${name}: f16 holds numbers of up to 65504, got ${numbers[i]}; write f32`)
  }
  return two
}

/** A value as rows, whose first `lead` axes say which. */
function asRows({ shape, data }: Tensor, lead: number): { shape: Shape; width: number; flat: Float32Array } {
  const row = shape.slice(lead)
  return { shape: row, width: sizeOf(row), flat: data as Float32Array }
}
