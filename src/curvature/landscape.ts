import { place, type Resident } from '../engine/index.ts'
import { type Tensor, tensor } from '../graph/index.ts'
import type { Policy } from '../policy/index.ts'
import { gradientOf } from './gradient-of.ts'
import { hessian } from './hessian.ts'
import { laidOut, numbersOf, type Operator, type Part } from './operator.ts'
import { checked } from './over-risk.ts'
import { batchesOf, type Risk, trained, treesOf, weightOf } from './risk.ts'
import { toVector } from './risk-operator.ts'
import { runBatch } from './run-batch.ts'
import type { Vector } from './vector.ts'

/** A loss as a function of how far its parameters are moved. */
export interface Landscape {
  readonly size: number
  readonly parts: readonly Part[]
  /** The loss with the parameters moved by a vector. */
  value(moved: Vector): Promise<number>
  /** Its gradient there. */
  slope(moved: Vector): Promise<Vector>
  /** Its Hessian where nothing is moved, which says what rise to expect. */
  readonly hessian?: Operator
}

/** The landscape of a risk, whose moved parameters lie beside the policy's own, which stay as they are. */
export interface RiskLandscape extends Landscape {
  readonly hessian: Operator
  /** Frees the moved parameters. */
  close(): Promise<void>
}

/**
 * Opens the landscape of a risk; two passes are compared once.
 *
 * throws  UserError as gradientOf
 * limits  of a policy whose programs hold their parameters (PolicyOptions) it does not see the moves
 */
export async function openLandscape(risk: Risk): Promise<RiskLandscape> {
  const steady = await checked(risk)
  const { policy, wrt = trained(policy) } = steady
  const { engine } = policy
  const names = Object.keys(policy.given).filter(wrt)
  const { size, parts } = laidOut(Object.fromEntries(names.map((name) => [name, policy.given[name]!.shape])))
  const own: Record<string, Tensor> = {}
  for (const name of names) own[name] = await engine.read(policy.given[name]!)
  const beside = (await place(engine, own)) as Record<string, Resident>
  const moved: Risk = { ...steady, policy: { ...policy, given: { ...policy.given, ...beside } } satisfies Policy }
  const trees = treesOf(steady)
  const batches = batchesOf(steady, trees)

  async function move(by: Vector): Promise<void> {
    for (const part of parts) {
      const step = numbersOf(by, part)
      const { data, shape } = own[part.name]!
      await engine.write(
        beside[part.name]!,
        tensor(
          Float32Array.from(step, (x, i) => x + data[i]!),
          shape,
        ),
      )
    }
  }

  return {
    size,
    parts,
    hessian: hessian(steady),
    async value(by) {
      await move(by)
      let total = 0
      for (const batch of batches) {
        const { losses } = await runBatch(moved, batch, trees, { name: 'losses' })
        for (const loss of losses) total += weightOf(risk, trees.length) * loss
      }
      return total
    },
    async slope(by) {
      await move(by)
      return toVector({ size, parts }, (await gradientOf(moved)).gradient)
    },
    close: async () => void (await Promise.all(Object.values(beside).map((resident) => engine.release(resident)))),
  }
}

/** The landscape along some parts alone; the others are not moved. */
export function along(of: Landscape, names: readonly string[]): Landscape {
  const chosen = of.parts.filter(({ name }) => names.includes(name))
  const { size, parts } = laidOut(Object.fromEntries(chosen.map(({ name, shape }) => [name, shape])))
  const wide = (v: Vector) => {
    const whole = new Float64Array(of.size)
    for (const [i, part] of chosen.entries()) numbersOf(whole, part).set(numbersOf(v, parts[i]!))
    return whole
  }
  return {
    size,
    parts,
    value: (moved) => of.value(wide(moved)),
    async slope(moved) {
      const whole = await of.slope(wide(moved))
      const narrow = new Float64Array(size)
      for (const [i, part] of chosen.entries()) numbersOf(narrow, parts[i]!).set(numbersOf(whole, part))
      return narrow
    },
    ...(of.hessian ? { hessian: of.hessian.block(names) } : {}),
  }
}
