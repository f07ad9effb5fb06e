import type { Resident } from '../engine/index.ts'
import { input, tensor, type Value } from '../graph/index.ts'
import { laidOut, numbersOf, type Operator, operator, type Part } from './operator.ts'
import { checked, overRisk } from './over-risk.ts'
import { type ByParameter, type Risk, trained } from './risk.ts'
import { roomOf } from './room.ts'
import type { Quantity } from './run-batch.ts'
import type { TracedRisk } from './trace-risk.ts'
import type { Vector } from './vector.ts'

/** How a product is made of traced losses and a direction for each parameter. */
export interface RiskProduct {
  readonly name: string
  readonly of: (
    traced: TracedRisk,
    directions: Readonly<Record<string, Value>>,
  ) => { readonly outputs: Readonly<Record<string, Value>>; readonly inputs?: Readonly<Record<string, Value>> }
  readonly feeds?: (risk: Risk) => Extract<Quantity['feeds'], (...args: never[]) => unknown>
}

/** The operator over all batches of a risk; two passes are compared once, before the first product. */
export function riskOperator(risk: Risk, product: RiskProduct): Operator {
  const { wrt = trained(risk.policy) } = risk
  const names = Object.keys(risk.policy.given).filter(wrt)
  const { size, parts } = laidOut(Object.fromEntries(names.map((name) => [name, risk.policy.given[name]!.shape])))
  let steady: Promise<Risk> | undefined
  let feeds: ReturnType<NonNullable<RiskProduct['feeds']>> | undefined
  return operator(size, {
    name: product.name,
    parts,
    async apply(v) {
      const same = await (steady ??= checked(risk))
      feeds ??= product.feeds?.(same)
      return productOf(same, product, parts, v, feeds)
    },
    block: (chosen) => {
      const inside = new Set(chosen.map(({ name }) => name))
      return riskOperator({ ...risk, wrt: (name) => inside.has(name) }, product)
    },
  })
}

async function productOf(
  risk: Risk,
  { name, of }: RiskProduct,
  parts: readonly Part[],
  v: Vector,
  feeds: Extract<Quantity['feeds'], (...args: never[]) => unknown> | undefined,
): Promise<Vector> {
  const result = new Float64Array(v.length)
  const byName = new Map(parts.map((part) => [part.name, part]))
  await overRisk(
    risk,
    {
      name,
      feeds: async (batch, inputs) => ({ ...(await directionsFed(risk, parts, v)), ...(await feeds?.(batch, inputs)) }),
      make(traced) {
        const directions = directionsOf(traced.wrt)
        const { outputs, inputs } = of(traced, directions)
        return {
          outputs,
          inputs: { ...inputs, ...Object.fromEntries(Object.entries(directions).map(([path, value]) => [directionOf(path), value])) },
        }
      },
    },
    (path) => numbersOf(result, byName.get(path)!),
  )
  return result
}

/** Inputs for a direction of each parameter. */
function directionsOf(wrt: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(wrt).map(([name, { shape }]) => [name, input(directionOf(name), shape)]))
}

/** A direction by parameter, in f32 as the engine computes. */
async function directionsFed({ policy }: Risk, parts: readonly Part[], v: Vector): Promise<Record<string, Resident>> {
  const { fed } = roomOf(policy)
  const made: Record<string, Resident> = {}
  for (const part of parts) made[directionOf(part.name)] = await fed(directionOf(part.name), part.shape, numbersOf(v, part))
  return made
}

function directionOf(name: string): string {
  return `direction.${name}`
}

/** Numbers by parameter as one vector, as an operator's parts lie; a parameter that is left out is zero. */
export function toVector({ size, parts }: Pick<Operator, 'size' | 'parts'>, numbers: ByParameter): Vector {
  const vector = new Float64Array(size)
  for (const part of parts) if (numbers[part.name]) numbersOf(vector, part).set(numbers[part.name]!.data)
  return vector
}

/** A vector as numbers by parameter. */
export function byParts({ parts }: Pick<Operator, 'parts'>, vector: Vector): ByParameter {
  return Object.fromEntries(parts.map((part) => [part.name, tensor(numbersOf(vector, part).slice(), part.shape)]))
}
