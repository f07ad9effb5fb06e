import type { FileHandle } from 'node:fs/promises'
import { GGUFValueType } from '@huggingface/gguf'
import { UserError } from '../../graph/errors.ts'
import { type Shape, sizeOf } from '../../graph/tensor.ts'
import { ggmlById, ggmlTypes } from './quants.ts'

/** A value of the metadata; 64-bit integers are numbers, since none that means anything is beyond 2^53. */
export type GgufValue = number | string | boolean | readonly GgufValue[]

export interface GgufTensor {
  readonly name: string
  /** A key of ggmlTypes. */
  readonly type: string
  /** Row-major as everywhere here; the file has the axes in reverse. */
  readonly shape: Shape
  /** Bytes from the start of the file. */
  readonly from: number
  readonly bytes: number
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** In the order they lie in the file. */
  readonly tensors: readonly GgufTensor[]
  /** Where the data of the first tensor starts. */
  readonly dataStart: number
}

const firstRead = 4 << 20
const maxHeaderBytes = 512 << 20
const maxDepth = 4
const remedy = 'download or convert the file again'

/**
 * Reads and checks the header of a GGUF file: the tensors it describes follow each other, aligned, and fill the file.
 * Stricter than @huggingface/gguf, which takes what is past the end for zeros and a repeated key for its last value.
 *
 * throws  UserError for a header that lies; nothing is allocated that the file could not fill
 * limits  versions 2 and 3, little-endian
 * source  https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function readGgufHeader(file: string, handle: FileHandle): Promise<GgufHeader> {
  const { size } = await handle.stat()
  for (let length = firstRead; ; length *= 4) {
    const bytes = Buffer.allocUnsafe(Math.min(length, size, maxHeaderBytes))
    let done = 0
    while (done < bytes.length) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, done)
      if (bytesRead === 0) throw new UserError(`${file}: ${size} bytes must be there, got ${done}; ${remedy}`)
      done += bytesRead
    }
    const header = parseHeader(file, bytes, size)
    if (header) return header
    if (bytes.length === maxHeaderBytes)
      throw new UserError(`${file}: the header must fit ${maxHeaderBytes} bytes, got a longer one; ${remedy}`)
  }
}

/** The header, or nothing when it goes on beyond `bytes` though not beyond the file of `size` bytes. */
function parseHeader(file: string, bytes: Buffer, size: number): GgufHeader | undefined {
  const cursor = new Cursor(file, bytes, size)
  try {
    return describe(cursor)
  } catch (error) {
    if (error === goesOn) return undefined
    throw error
  }
}

const goesOn = Symbol('the header goes on beyond what has been read')

class Cursor {
  at = 0
  readonly file: string
  readonly bytes: Buffer
  readonly size: number

  constructor(file: string, bytes: Buffer, size: number) {
    this.file = file
    this.bytes = bytes
    this.size = size
  }

  must(holds: boolean, message: () => string): asserts holds {
    if (!holds) throw new UserError(`${this.file}: ${message()}; ${remedy}`)
  }

  /** Moves on by so many bytes and says where they start. */
  take(count: number, what: string): number {
    const from = this.at
    this.must(count <= this.size - from, () => `${what} must lie within the file's ${this.size} bytes, got ${count} bytes at ${from}`)
    if (from + count > this.bytes.length) throw goesOn
    this.at = from + count
    return from
  }

  u32(what: string): number {
    return this.bytes.readUInt32LE(this.take(4, what))
  }

  /** A 64-bit count, of things that each take at least `each` bytes of what is left of the file. */
  count(what: string, each: number): number {
    const n = this.bytes.readBigUInt64LE(this.take(8, what))
    const most = Math.floor((this.size - this.at) / each)
    this.must(n <= BigInt(most), () => `${what} must fit the file of ${this.size} bytes, got ${n}`)
    return Number(n)
  }

  text(what: string): string {
    const length = this.count(`the length of ${what}`, 1)
    const from = this.take(length, what)
    const text = this.bytes.toString('utf8', from, from + length)
    if (text.includes('\ufffd'))
      this.must(Buffer.from(text).equals(this.bytes.subarray(from, from + length)), () => `${what} must be UTF-8`)
    return text
  }
}

function describe(cursor: Cursor): GgufHeader {
  const magic = cursor.bytes.toString('latin1', cursor.take(4, 'the first four bytes'), 4)
  cursor.must(magic === 'GGUF', () => `a GGUF file starts with "GGUF", got ${JSON.stringify(magic)}`)
  const version = cursor.u32('the version')
  cursor.must(version === 2 || version === 3, () => `the version must be 2 or 3 (little-endian), got ${version}`)
  const tensorCount = cursor.count('the number of tensors', 24)
  const keyCount = cursor.count('the number of keys', 13)

  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.text(`key ${i}`)
    cursor.must(!metadata.has(key), () => `every key must be there once, got ${JSON.stringify(key)} twice`)
    metadata.set(key, readValue(cursor, cursor.u32(`the type of ${key}`), key, 0))
  }
  const described = Array.from({ length: tensorCount }, (_, i) => readTensor(cursor, i))
  return { metadata, ...layOut(cursor, described, alignmentOf(cursor, metadata)) }
}

const leastBytes: Readonly<Record<number, number>> = {
  ...{ [GGUFValueType.UINT8]: 1, [GGUFValueType.INT8]: 1, [GGUFValueType.BOOL]: 1, [GGUFValueType.UINT16]: 2, [GGUFValueType.INT16]: 2 },
  ...{ [GGUFValueType.UINT32]: 4, [GGUFValueType.INT32]: 4, [GGUFValueType.FLOAT32]: 4, [GGUFValueType.UINT64]: 8 },
  ...{ [GGUFValueType.INT64]: 8, [GGUFValueType.FLOAT64]: 8, [GGUFValueType.STRING]: 8, [GGUFValueType.ARRAY]: 12 },
}

function readValue(cursor: Cursor, type: number, key: string, depth: number): GgufValue {
  const { bytes } = cursor
  const width = leastBytes[type]
  cursor.must(width !== undefined, () => `${key} must have a type from 0 to 12, got ${type}`)
  if (type === GGUFValueType.STRING) return cursor.text(key)
  if (type === GGUFValueType.ARRAY) {
    cursor.must(depth < maxDepth, () => `${key} must nest at most ${maxDepth} lists, got more`)
    const inner = cursor.u32(`the type of ${key}`)
    const least = leastBytes[inner]
    cursor.must(least !== undefined, () => `${key} must hold a type from 0 to 12, got ${inner}`)
    const length = cursor.count(`the length of ${key}`, least)
    const list: GgufValue[] = []
    for (let i = 0; i < length; i++) list.push(readValue(cursor, inner, key, depth + 1))
    return list
  }
  const at = cursor.take(width, key)
  switch (type) {
    case GGUFValueType.UINT8:
      return bytes.readUInt8(at)
    case GGUFValueType.INT8:
      return bytes.readInt8(at)
    case GGUFValueType.UINT16:
      return bytes.readUInt16LE(at)
    case GGUFValueType.INT16:
      return bytes.readInt16LE(at)
    case GGUFValueType.UINT32:
      return bytes.readUInt32LE(at)
    case GGUFValueType.INT32:
      return bytes.readInt32LE(at)
    case GGUFValueType.FLOAT32:
      return bytes.readFloatLE(at)
    case GGUFValueType.FLOAT64:
      return bytes.readDoubleLE(at)
    case GGUFValueType.BOOL:
      cursor.must(bytes[at]! < 2, () => `${key} must be 0 or 1, got ${bytes[at]}`)
      return bytes[at] === 1
    default: {
      const n = type === GGUFValueType.UINT64 ? bytes.readBigUInt64LE(at) : bytes.readBigInt64LE(at)
      cursor.must(BigInt(Number(n)) === n && Number.isSafeInteger(Number(n)), () => `${key} must be within 2^53, got ${n}`)
      return Number(n)
    }
  }
}

interface Described {
  readonly name: string
  readonly type: string
  readonly shape: Shape
  readonly bytes: number
  readonly offset: bigint
}

function readTensor(cursor: Cursor, i: number): Described {
  const name = cursor.text(`the name of tensor ${i}`)
  const axes = cursor.u32(`the axes of ${name}`)
  cursor.must(axes >= 1 && axes <= 4, () => `${name} must have 1 to 4 axes, got ${axes}`)
  const shape = Array.from({ length: axes }, () => {
    const n = cursor.bytes.readBigUInt64LE(cursor.take(8, `the shape of ${name}`))
    cursor.must(n >= 1n && n <= 2n ** 40n, () => `${name} must have axes from 1 to 2^40, got ${n}`)
    return Number(n)
  }).reverse()
  const id = cursor.u32(`the type of ${name}`)
  const type = ggmlById.get(id)
  cursor.must(type !== undefined, () => `${name} must be of type ${Object.keys(ggmlTypes).join(', ')}, got type number ${id}`)
  const { weights, bytes } = ggmlTypes[type]!
  const row = shape.at(-1)!
  cursor.must(row % weights === 0, () => `${name} must have rows of whole blocks of ${weights} (${type}), got rows of ${row}`)
  const size = (sizeOf(shape) / weights) * bytes
  cursor.must(size <= cursor.size, () => `${name} must fit the file of ${cursor.size} bytes, got ${type}[${shape.join(', ')}]`)
  const offset = cursor.bytes.readBigUInt64LE(cursor.take(8, `the offset of ${name}`))
  return { name, type, shape, bytes: size, offset }
}

function alignmentOf(cursor: Cursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? 32
  const fits = typeof alignment === 'number' && alignment >= 1 && alignment <= 1 << 20 && Number.isInteger(Math.log2(alignment))
  cursor.must(fits, () => `general.alignment must be a power of two up to 2^20, got ${JSON.stringify(alignment)}`)
  return alignment as number
}

/** Places the tensors in the file, and checks that they tile what is left of it. */
function layOut(cursor: Cursor, described: readonly Described[], alignment: number): Pick<GgufHeader, 'tensors' | 'dataStart'> {
  const aligned = (n: number) => Math.ceil(n / alignment) * alignment
  const dataStart = aligned(cursor.at)
  const inOrder = described.toSorted((a, b) => (a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0))
  const names = new Set<string>()
  let end = 0
  const tensors = inOrder.map(({ name, type, shape, bytes, offset }): GgufTensor => {
    cursor.must(!names.has(name), () => `every tensor must be there once, got ${name} twice`)
    names.add(name)
    const start = aligned(end)
    cursor.must(offset === BigInt(start), () => `${name} must start where the tensor before it ends, at ${start}, got ${offset}`)
    end = start + bytes
    const last = dataStart + end
    cursor.must(last <= cursor.size, () => `${name} must end within the file's ${cursor.size} bytes, got ${last}: the file is cut short`)
    return { name, type, shape, from: dataStart + start, bytes }
  })
  const rest = cursor.size - dataStart - end
  cursor.must(rest < alignment, () => `the tensors must fill the file of ${cursor.size} bytes, got ${rest} bytes more`)
  return { tensors, dataStart }
}
