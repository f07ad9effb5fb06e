import type { Request, Slot } from './protocol.ts'

/**
 * Writes arrays through two pieces of shared memory that take turns, unless they lie in shared memory themselves: a message would copy
 * each array into memory of its own first, and touching new memory costs more than the copy.
 */
export function sharedWriter(ask: (request: Request) => Promise<void>) {
  const pieces = [0, 1].map(() => ({ buffer: undefined as SharedArrayBuffer | undefined, free: Promise.resolve() }))
  let turn = 0
  return async (slot: Slot, data: Float32Array | Int32Array): Promise<void> => {
    if ((data.buffer as ArrayBufferLike) instanceof SharedArrayBuffer) return ask({ kind: 'write', slot, data })
    const parts: Promise<void>[] = []
    for (let at = 0; at < data.length; at += PIECE) {
      const piece = pieces[turn++ % 2]!
      const before = piece.free
      const part = data.subarray(at, at + PIECE)
      const sent = before.then(() => {
        piece.buffer ??= new SharedArrayBuffer(4 * PIECE)
        const shared: Float32Array<ArrayBufferLike> | Int32Array<ArrayBufferLike> =
          slot.dtype === 'i32' ? new Int32Array(piece.buffer, 0, part.length) : new Float32Array(piece.buffer, 0, part.length)
        shared.set(part)
        return ask({
          kind: 'write',
          slot: { ...slot, offset: slot.offset + 4 * at, size: part.length },
          data: shared as Float32Array | Int32Array,
        })
      })
      piece.free = sent.catch(() => {})
      parts.push(sent)
    }
    await Promise.all(parts)
  }
}

/** Numbers in a piece of shared memory. */
const PIECE = 1 << 20
