/// <reference types="node" preserve="true" />
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { UserError } from '../graph/errors.ts'
import { type Shape, sizeOf, type Tensor } from '../graph/tensor.ts'

/** Where f32 numbers lie in a file, one after the other; `state` is what the file was when it was read. */
export interface FilePlace {
  readonly file: string
  /** Bytes from the start of the file. */
  readonly at: number
  readonly state: string
}

interface Source {
  readonly read: (into: Float32Array) => void
  readonly place?: FilePlace
}
const sources = new WeakMap<Tensor, Source>()

/** An f32 tensor whose numbers are read when they are asked for, and kept only as long as someone holds them. */
export function lazyTensor(shape: Shape, read: Source['read'], place?: FilePlace): Tensor {
  let last: WeakRef<Float32Array> | undefined
  const made: Tensor = {
    dtype: 'f32',
    shape,
    get data() {
      const known = last?.deref()
      if (known) return known
      const data = new Float32Array(sizeOf(shape))
      read(data)
      last = new WeakRef(data)
      return data
    },
  }
  sources.set(made, { read, ...(place ? { place } : {}) })
  return made
}

/** A lazy tensor of f32 numbers that lie in a file. */
export function filedTensor(shape: Shape, place: FilePlace): Tensor {
  return lazyTensor(shape, (into) => readPlace(place, into), place)
}

/** Whether a tensor's numbers are read when they are asked for. */
export function isLazy(tensor: Tensor): boolean {
  return sources.has(tensor)
}

/** Where a tensor's numbers lie as they are, if it is in a file. */
export function placeOf(tensor: Tensor): FilePlace | undefined {
  return sources.get(tensor)?.place
}

/** Writes a tensor's numbers into an array of their number. */
export function readTensor(tensor: Tensor, into: Float32Array): void {
  const source = sources.get(tensor)
  if (source) source.read(into)
  else into.set(tensor.data)
}

/** What a file is, without reading it: another one has another state. */
export function fileState(file: string): string {
  const { size, mtimeMs, ino } = statSync(file)
  return `${size} ${mtimeMs} ${ino}`
}

/**
 * Reads f32 numbers from their place.
 *
 * throws  UserError when the file is not the one that it was
 */
export function readPlace({ file, at, state }: FilePlace, into: Float32Array): void {
  checkState(file, state)
  readBytes(file, at, new Uint8Array(into.buffer, into.byteOffset, into.byteLength))
}

/** throws UserError when a file is not the one that it was */
export function checkState(file: string, state: string): void {
  let now = 'gone'
  try {
    now = fileState(file)
  } catch {}
  if (now !== state)
    throw new UserError(`${file}: weights must stay as they are while a model is in use, got another file there; start again`)
}

/** Fills an array with the bytes from a place in a file. */
export function readBytes(file: string, at: number, into: Uint8Array): void {
  const fd = openSync(file, 'r')
  try {
    for (let done = 0; done < into.length; ) {
      const read = readSync(fd, into, done, Math.min(into.length - done, PIECE), at + done)
      if (read === 0) throw new UserError(`${file}: ${at + into.length} bytes must be there, got ${at + done}; download or save it again`)
      done += read
    }
  } finally {
    closeSync(fd)
  }
}
const PIECE = 64 << 20
