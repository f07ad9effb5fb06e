import { UserError } from '../graph/index.ts'

const PAGE = 65536
const PAGES = 65536
const ALIGN = 64
const STEP = 2048

/**
 * One growing WebAssembly memory with a first-fit list of free ranges. Parameters, gradients, moments and caches live here, so that
 * ONNX Runtime and the optimizer's kernel work on the same bytes without a copy.
 *
 * throws  UserError when more than 4 GiB are asked for, the most that 32-bit WebAssembly addresses, or the machine has no more
 */
export function openMemory() {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: PAGES })
  const free: { offset: number; bytes: number }[] = []
  const used = new Map<number, number>()
  let end = ALIGN
  let touched = ALIGN

  return {
    memory,
    allocate(wanted: number): number {
      const bytes = Math.max(ALIGN, Math.ceil(wanted / ALIGN) * ALIGN)
      const hole = free.find((range) => range.bytes >= bytes)
      let offset = end
      if (hole) {
        offset = hole.offset
        hole.offset += bytes
        hole.bytes -= bytes
        if (hole.bytes === 0) free.splice(free.indexOf(hole), 1)
      } else {
        grow(end + bytes)
        end += bytes
      }
      used.set(offset, bytes)
      // What was never used is zero, and stays untouched until it is written.
      const dirty = Math.min(bytes, touched - offset)
      if (dirty > 0) new Uint8Array(memory.buffer, offset, dirty).fill(0)
      touched = Math.max(touched, offset + bytes)
      return offset
    },
    release(offset: number) {
      const bytes = used.get(offset)
      if (bytes === undefined) return
      used.delete(offset)
      free.push({ offset, bytes })
      free.sort((a, b) => a.offset - b.offset)
      for (let i = free.length - 2; i >= 0; i--) {
        const [left, right] = [free[i]!, free[i + 1]!]
        if (left.offset + left.bytes === right.offset) {
          left.bytes += right.bytes
          free.splice(i + 1, 1)
        }
      }
      const last = free.at(-1)!
      if (last.offset + last.bytes === end) {
        end = last.offset
        free.pop()
      }
    },
  }

  function grow(bytes: number) {
    const now = memory.buffer.byteLength / PAGE
    const missing = Math.ceil(bytes / PAGE) - now
    if (missing <= 0) return
    const gib = `${(bytes / 2 ** 30).toFixed(1)} GiB`
    if (bytes > PAGES * PAGE) {
      throw new UserError(
        `engine: parameters, gradients, moments and caches must fit in 4 GiB, got ${gib}; train with lora, or sample fewer at once`,
      )
    }
    try {
      // In large steps, since each collects garbage; what is not touched takes no memory.
      memory.grow(Math.min(Math.max(missing, STEP), PAGES - now))
    } catch (cause) {
      throw new UserError(`engine: memory for ${gib} must be free, got none; close other programs, or train with lora`, { cause })
    }
  }
}
