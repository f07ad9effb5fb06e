import { type Resident, sharedTensor } from '../engine/index.ts'
import type { Shape, Tensor } from '../graph/index.ts'
import type { Policy } from '../policy/index.ts'

/**
 * Memory for what is fed to a policy and comes of it, kept from product to product: touching new memory takes as long as a fifth of a product.
 *
 * limits  two arrays of all parameters for what is fed, and one for what comes of it, as long as the policy lives
 */
export interface Room {
  /** Does some work while nobody else uses the room. */
  turn<T>(work: () => Promise<T>): Promise<T>
  /** Numbers in the engine's memory, as f32. */
  fed(name: string, shape: Shape, numbers: ArrayLike<number>): Promise<Resident>
  /** Where an output is written. */
  output(name: string, shape: Shape): Tensor
}

/** The room of a policy. */
export function roomOf(policy: Policy): Room {
  const known = rooms.get(policy)
  if (known) return known
  const made = openRoom(policy)
  rooms.set(policy, made)
  return made
}
const rooms = new WeakMap<Policy, Room>()

function openRoom({ engine }: Policy): Room {
  const outputs = new Map<string, Tensor>()
  const directions = new Map<string, { readonly staged: Tensor; readonly resident: Resident }>()
  let last: Promise<unknown> = Promise.resolve()
  return {
    turn(work) {
      const mine = last.then(work)
      last = mine.catch(() => {})
      return mine
    },
    async fed(name, shape, numbers) {
      const key = `${name} ${shape}`
      const type = { dtype: 'f32', shape } as const
      const known = directions.get(key) ?? { staged: sharedTensor(type), resident: await engine.allocate(type) }
      directions.set(key, known)
      ;(known.staged.data as Float32Array).set(numbers)
      await engine.write(known.resident, known.staged)
      return known.resident
    },
    output(name, shape) {
      const key = `${name} ${shape}`
      const made = outputs.get(key) ?? sharedTensor({ dtype: 'f32', shape })
      outputs.set(key, made)
      return made
    },
  }
}
