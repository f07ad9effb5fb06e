import { isLazy, placeOf, readTensor } from '../files/lazy-tensor.ts'
import { isTensor, leaves, mapNested, type Nested, type Shape, sizeOf, type Tensor, type Type } from '../graph/index.ts'
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

/** Whether it lies in a file that is mapped, and is never written to: programs hold it (see CompileOptions). */
export function isMapped({ slot }: Resident): boolean {
  return slot.file !== undefined
}

/** A tensor outside of the engine as what stands for it there: it is brought in for as long as it is read. */
export function outside(tensor: Tensor): Resident {
  const { dtype, shape } = tensor
  const made = { dtype, shape, slot: { offset: NOWHERE, size: sizeOf(shape), dtype } }
  sources.set(made, tensor)
  return made
}
const sources = new WeakMap<Resident, Tensor>()

/** The tensor that a resident stands for, where it is not in the engine. */
export function outsideOf(resident: Resident): Tensor | undefined {
  return sources.get(resident)
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

/**
 * Puts a whole nested object of tensors into the engine's memory, once, and no tensor twice on the way. Where they take `mapped` bytes or more
 * (1 GiB unless told), what lies in files stays there: each session maps it, and its memory is the machine's, not the engine's. With `streamed`,
 * and from 2 GiB on where it cannot be mapped, what is read only when it is asked for stays outside.
 */
export async function place(
  engine: Engine,
  tensors: Nested<Tensor>,
  { mapped = 2 ** 30, streamed = false }: { readonly mapped?: number | undefined; readonly streamed?: boolean | undefined } = {},
): Promise<Nested<Resident>> {
  const all = leaves(tensors, isTensor).map(([, tensor]) => tensor)
  const bytes = all.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0)
  const slots = new Map<Tensor, Resident>()
  const jobs: Promise<unknown>[] = []
  const largest = Math.max(0, ...all.map((tensor) => (isLazy(tensor) && !placeOf(tensor) ? sizeOf(tensor.shape) : 0)))
  const buffer = new SharedArrayBuffer(4 * largest)
  for (const tensor of all) {
    const file = placeOf(tensor)
    const { dtype, shape } = tensor
    if (slots.has(tensor)) continue
    if (isLazy(tensor) && (streamed || (!file && bytes >= OUTSIDE_FROM))) {
      slots.set(tensor, outside(tensor))
      continue
    }
    if (file && bytes >= mapped) {
      slots.set(tensor, { dtype, shape, slot: { offset: NOWHERE, size: sizeOf(shape), dtype, file } })
      continue
    }
    const made = await engine.allocate(tensor)
    slots.set(tensor, made)
    if (!isLazy(tensor)) jobs.push(engine.write(made, tensor))
    else if (file) await engine.write(made, tensor)
    else {
      const data = new Float32Array(buffer, 0, sizeOf(shape))
      readTensor(tensor, data)
      await engine.write(made, { dtype, shape, data })
    }
  }
  await Promise.all(jobs)
  return mapNested<Tensor, Resident>(tensors, isTensor, (tensor) => slots.get(tensor)!)
}

/** From so many bytes on what cannot be mapped stays outside. */
const OUTSIDE_FROM = 2 ** 31

/** An offset that nothing in the engine's memory has. */
const NOWHERE = -1
