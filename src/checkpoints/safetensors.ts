/// <reference types="node" preserve="true" />
import type { Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { z } from 'zod'
import { parse } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import { type Data, type DType, type Shape, sizeOf, type Tensor } from '../graph/tensor.ts'
import { halfBits } from './half.ts'

const maxHeaderBytes = 100_000_000
const chunkBytes = 8 << 20
const remedy = 'download or save the file again'

interface Stored {
  readonly dtype: DType
  readonly bytes: number
  /** From two bytes to the bits of an f32; absent where four bytes stay as they are. */
  readonly widen?: (bits: number) => number
  /** The numbers of another width, as they lie in memory. */
  readonly view?: new (
    bytes: ArrayBuffer,
  ) => ArrayLike<number | bigint>
}
const stored = {
  F32: { dtype: 'f32', bytes: 4 },
  F16: {
    dtype: 'f32',
    bytes: 2,
    widen: (half) => halfBits()[half]!,
  },
  BF16: { dtype: 'f32', bytes: 2, widen: (bits) => bits << 16 },
  I32: { dtype: 'i32', bytes: 4 },
  F64: { dtype: 'f32', bytes: 8, view: Float64Array },
  // Masks and positions, which some checkpoints carry along.
  U8: { dtype: 'i32', bytes: 1, view: Uint8Array },
  BOOL: { dtype: 'i32', bytes: 1, view: Uint8Array },
  I8: { dtype: 'i32', bytes: 1, view: Int8Array },
  I16: { dtype: 'i32', bytes: 2, view: Int16Array },
  U16: { dtype: 'i32', bytes: 2, view: Uint16Array },
  U32: { dtype: 'i32', bytes: 4, view: Uint32Array },
  I64: { dtype: 'i32', bytes: 8, view: BigInt64Array },
  U64: { dtype: 'i32', bytes: 8, view: BigUint64Array },
} as const satisfies Record<string, Stored>
interface Entry {
  readonly name: string
  readonly dtype: keyof typeof stored
  readonly shape: Shape
  /** Bytes from the start of the file. */
  readonly from: number
}

/**
 * Reads every tensor of a safetensors file, floats as f32 and whole numbers as i32, in the order they lie in the file.
 * Bytes go straight into their tensor, and all tensors lie in one piece of memory that threads share; `hash`, if given, sees the whole file.
 *
 * throws  UserError naming file and tensor for a header that lies, a dtype that is not in the table above, a whole number beyond 32 bits, or a
 *         file that ends early
 * limits  needs a little-endian machine, as every platform of Node but s390x is
 * source  https://github.com/huggingface/safetensors#format
 */
export async function readSafetensors(file: string, hash?: Hash): Promise<Map<string, Tensor>> {
  const handle = await open(file).catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: must be a readable safetensors file, got ${cause.code}; ${remedy}`, { cause })
  })
  try {
    const tensors = new Map<string, Tensor>()
    const read = reader(handle, hash)
    const entries = await readHeader(file, handle, read)
    const memory = new SharedArrayBuffer(4 * entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0))
    let start = 0
    let whole = Promise.resolve()
    for (const { name, dtype, shape, from } of entries) {
      const kind: Stored = stored[dtype]
      const size = sizeOf(shape)
      const data = kind.dtype === 'i32' ? new Int32Array(memory, start, size) : new Float32Array(memory, start, size)
      const where = `${file}: ${name}`
      if (kind.widen) await readWidened(new Uint32Array(memory, start, size), kind.widen, from, where, read)
      else if (kind.view) await readConverted(data, kind.view, kind.bytes, from, where, read)
      else whole = read(new Uint8Array(memory, start, 4 * size), from, where)
      tensors.set(name, { dtype: kind.dtype, shape, data })
      start += 4 * size
    }
    await whole
    return tensors
  } finally {
    await handle.close()
  }
}

/** A tensor as it lies in a file: what it is stored as, and where its bytes are. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: string
  readonly shape: Shape
  /** Bytes from the start of the file. */
  readonly from: number
  readonly bytes: number
}

/**
 * What a safetensors file says of itself: its head as it lies there, its tensors in file order, and the metadata of its header.
 *
 * throws  UserError as readSafetensors
 */
export async function safetensorsLayout(
  file: string,
): Promise<{ readonly head: Buffer; readonly tensors: readonly StoredTensor[]; readonly metadata: Readonly<Record<string, string>> }> {
  const handle = await open(file).catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: must be a readable safetensors file, got ${cause.code}; ${remedy}`, { cause })
  })
  try {
    const entries = await readHeader(file, handle, reader(handle))
    const prefix = Buffer.alloc(8)
    await fill(handle, prefix, 0, file)
    const head = Buffer.alloc(8 + Number(prefix.readBigUInt64LE()))
    await fill(handle, head, 0, file)
    const { __metadata__: metadata = {} } = JSON.parse(head.toString('utf8', 8)) as { __metadata__?: Record<string, string> }
    return { head, tensors: entries.map((entry) => ({ ...entry, bytes: sizeOf(entry.shape) * stored[entry.dtype].bytes })), metadata }
  } finally {
    await handle.close()
  }
}

/** F64 is rounded to f32; whole numbers are those they were. */
async function readConverted(data: Data, view: NonNullable<Stored['view']>, bytes: number, from: number, where: string, read: Read) {
  const size = chunkBytes / bytes
  for (let done = 0; done < data.length; done += size) {
    const chunk = new Uint8Array(Math.min(size, data.length - done) * bytes)
    await read(chunk, from + done * bytes, where)
    const numbers = new view(chunk.buffer)
    for (let i = 0; i < numbers.length; i++) {
      data[done + i] = Number(numbers[i])
      if (data instanceof Int32Array && data[done + i] !== Number(numbers[i]))
        throw new UserError(`${where}: whole numbers must fit 32 bits, got ${numbers[i]}; save it without that tensor`)
    }
  }
}

/** Through two chunks that take turns: one is read while the other is widened. */
async function readWidened(bits: Uint32Array, widen: (bits: number) => number, from: number, where: string, read: Read) {
  const size = Math.min(bits.length, chunkBytes / 2)
  const chunks = [0, 1].map(() => new Uint16Array(size))
  let turn = 0
  const start = (done: number) => {
    const part = chunks[turn++ % 2]!.subarray(0, bits.length - done)
    return { part, ready: read(new Uint8Array(part.buffer, 0, part.byteLength), from + 2 * done, where) }
  }
  let next = start(0)
  for (let done = 0; done < bits.length; done += size) {
    const { part, ready } = next
    await ready
    if (done + size < bits.length) next = start(done + size)
    for (let i = 0; i < part.length; i++) bits[done + i] = widen(part[i]!)
  }
}

const whole = z.int().nonnegative()
const headerSchema = z.record(z.string(), z.object({ dtype: z.string(), shape: z.array(whole), data_offsets: z.tuple([whole, whole]) }))

/** The header's entries in file order, checked so that the tensors tile the rest of the file exactly. */
async function readHeader(file: string, handle: FileHandle, read: Read): Promise<Entry[]> {
  const must: (holds: boolean, message: () => string) => asserts holds = (holds, message) => {
    if (!holds) throw new UserError(`${file}: ${message()}; ${remedy}`)
  }
  const { size } = await handle.stat()
  must(size >= 8, () => `a safetensors file starts with 8 bytes of header length, got ${size} bytes`)
  const prefix = new DataView(new ArrayBuffer(8))
  await read(new Uint8Array(prefix.buffer), 0, file)
  const length = prefix.getBigUint64(0, true)
  must(
    length <= BigInt(Math.min(size - 8, maxHeaderBytes)),
    () => `the header must fit the file of ${size} bytes, got a length of ${length}`,
  )
  const text = new Uint8Array(Number(length))
  await read(text, 8, file)

  const json = decodeHeader(text)
  must(json !== undefined, () => `the header must be a JSON object, got ${JSON.stringify(Buffer.from(text.subarray(0, 40)).toString())}…`)
  const { __metadata__: _, ...described } = json
  const start = 8 + Number(length)
  const entries = Object.entries(parse(`${file}: header`, described, headerSchema, remedy)).sort(
    (a, b) => a[1].data_offsets[0] - b[1].data_offsets[0] || a[1].data_offsets[1] - b[1].data_offsets[1],
  )
  let end = 0
  const checked = entries.map(([name, { dtype, shape, data_offsets: offsets }]): Entry => {
    must(isStored(dtype), () => `${name}: dtype must be one of ${Object.keys(stored).join(', ')}, got ${dtype}`)
    const bytes = sizeOf(shape) * stored[dtype].bytes
    must(offsets[0] === end, () => `${name}: data must start where the tensor before it ends, at ${end}, got ${offsets[0]}`)
    must(
      offsets[1] - offsets[0] === bytes,
      () => `${name}: ${dtype}[${shape.join(', ')}] takes ${bytes} bytes, got ${offsets[1] - offsets[0]}`,
    )
    must(
      start + offsets[1] <= size,
      () => `${name}: data must end within the file's ${size} bytes, got ${start + offsets[1]}: the file is cut short`,
    )
    end = offsets[1]
    return { name, dtype, shape, from: start + offsets[0] }
  })
  must(start + end === size, () => `the tensors must fill the file of ${size} bytes, got ${start + end}`)
  return checked
}

function isStored(dtype: string): dtype is keyof typeof stored {
  return Object.hasOwn(stored, dtype)
}

function decodeHeader(text: Uint8Array): Record<string, unknown> | undefined {
  try {
    const json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : undefined
  } catch {
    return undefined
  }
}

/** Fills memory from a place in the file; done when that and everything asked for before it is read, and hashed in the order of asking. */
type Read = (bytes: Uint8Array, at: number, where: string) => Promise<void>

/** Every piece is asked for at once, so that the disk goes on while this thread hashes, or reads a tokenizer. */
function reader(handle: FileHandle, hash?: Hash): Read {
  let before = Promise.resolve()
  return (bytes, at, where) => {
    for (let from = 0; from < bytes.length; from += chunkBytes) {
      const piece = bytes.subarray(from, from + chunkBytes)
      const reading = fill(handle, piece, at + from, where)
      const earlier = before
      before = Promise.all([earlier, reading]).then(() => void hash?.update(piece))
    }
    // Whoever waits hears of what went wrong.
    before.catch(() => {})
    return before
  }
}

async function fill(handle: FileHandle, bytes: Uint8Array, at: number, where: string): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, at + done)
    if (bytesRead === 0) throw new UserError(`${where}: ${bytes.length} bytes must be there, got ${done}: the file is cut short; ${remedy}`)
    done += bytesRead
  }
}
