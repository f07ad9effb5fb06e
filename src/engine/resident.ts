import { isTensor, mapNested, type Nested, type Shape, sizeOf, type Tensor, type Type } from '../graph/index.ts'
import type { Engine } from './engine.ts'
import type { Slot } from './protocol.ts'

/** An array that lives in the engine's memory: a parameter, a gradient, a moment, a cache. */
export interface Resident extends Type {
  readonly slot: Slot
}

/** Tells residents from the plain objects that hold them. */
export function isResident(x: unknown): x is Resident {
  return typeof x === 'object' && x !== null && 'slot' in x
}

/** Part of a resident: `shape` numbers from `start`. */
export function part(resident: Resident, start: number, shape: Shape): Resident {
  const { offset, dtype } = resident.slot
  return { dtype, shape, slot: { offset: offset + start * 4, size: sizeOf(shape), dtype } }
}

/** Zeros in memory that this thread and the engine's share: an output written there, time and again, makes no garbage. */
export function sharedTensor({ dtype, shape }: Type): Tensor {
  const buffer = new SharedArrayBuffer(4 * sizeOf(shape))
  return { dtype, shape, data: dtype === 'i32' ? new Int32Array(buffer) : new Float32Array(buffer) }
}

/** Puts a whole nested object of tensors into the engine's memory. */
export async function place(engine: Engine, tensors: Nested<Tensor>): Promise<Nested<Resident>> {
  const jobs: Promise<unknown>[] = []
  const slots = new Map<Tensor, Resident>()
  mapNested(tensors, isTensor, (tensor) => {
    jobs.push(
      engine.allocate(tensor).then(({ slot }) => {
        const resident = { dtype: tensor.dtype, shape: tensor.shape, slot }
        slots.set(tensor, resident)
        return engine.write(resident, tensor)
      }),
    )
  })
  await Promise.all(jobs)
  return mapNested<Tensor, Resident>(tensors, isTensor, (tensor) => slots.get(tensor)!)
}
