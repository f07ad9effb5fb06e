import { filedTensor, fileState, lazyTensor, readBytes } from '../files/lazy-tensor.ts'
import { sizeOf, type Tensor } from '../graph/tensor.ts'
import { halfBits } from './half.ts'
import { readSafetensors, type StoredTensor, safetensorsLayout } from './safetensors.ts'

const chunkBytes = 8 << 20

/**
 * The tensors of a safetensors file, whose numbers are read when they are asked for. Those of f32 are known by their place, so that they can
 * be mapped. A file that holds anything but floats of 16 and 32 bits is read at once.
 *
 * throws  UserError as readSafetensors
 */
export async function lazySafetensors(file: string): Promise<Map<string, Tensor>> {
  const { tensors } = await safetensorsLayout(file)
  if (tensors.some(({ dtype }) => !['F32', 'F16', 'BF16'].includes(dtype))) return readSafetensors(file)
  const state = fileState(file)
  return new Map(
    tensors.map((stored): [string, Tensor] => {
      const { name, dtype, shape, from } = stored
      if (dtype === 'F32') return [name, filedTensor(shape, { file, at: from, state })]
      return [name, lazyTensor(shape, (into) => readWidened(file, stored, into))]
    }),
  )
}

function readWidened(file: string, { dtype, shape, from }: StoredTensor, into: Float32Array) {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length)
  const table = dtype === 'F16' ? halfBits() : undefined
  const chunk = new Uint16Array(Math.min(chunkBytes / 2, sizeOf(shape)))
  for (let done = 0; done < bits.length; done += chunk.length) {
    const part = chunk.subarray(0, bits.length - done)
    readBytes(file, from + 2 * done, new Uint8Array(part.buffer, 0, part.byteLength))
    if (table) for (let i = 0; i < part.length; i++) bits[done + i] = table[part[i]!]!
    else for (let i = 0; i < part.length; i++) bits[done + i] = part[i]! << 16
  }
}
