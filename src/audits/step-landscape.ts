import { type Landscape, laidOut, numbersOf, type Operator, operator, type Part, type Vector } from '../curvature/index.ts'
import { type Tensor, tensor } from '../graph/index.ts'
import type { Parameters, StepLoss } from './step-loss.ts'

/** The loss of a step as a landscape over its trained tensors, from where they are now. */
export function landscapeOf(loss: StepLoss, values: Parameters): Landscape & { readonly hessian: Operator } {
  const { size, parts } = laidOut(Object.fromEntries(Object.entries(values).map(([name, { shape }]) => [name, shape])))
  const moved = (by: Vector): Parameters =>
    Object.fromEntries(
      parts.flatMap((part) => {
        const step = numbersOf(by, part)
        return step.some((x) => x !== 0) ? [[part.name, shifted(values[part.name]!, step)]] : []
      }),
    )
  return {
    size,
    parts,
    value: (by) => loss.loss(moved(by)),
    slope: async (by) => asVector(size, parts, (await loss.gradient(moved(by))).gradient),
    hessian: hessianOf(loss, size, parts),
  }
}

function hessianOf(loss: StepLoss, size: number, parts: readonly Part[]): Operator {
  return operator(size, {
    name: 'hessian of the step',
    parts,
    async apply(v) {
      const direction = Object.fromEntries(parts.map((part) => [part.name, tensor(numbersOf(v, part), part.shape)]))
      return asVector(size, parts, await loss.curvature(direction))
    },
    block(chosen) {
      const own = laidOut(Object.fromEntries(chosen.map(({ name, shape }) => [name, shape])))
      return hessianOf(loss, own.size, own.parts)
    },
  })
}

function asVector(size: number, parts: readonly Part[], numbers: Parameters): Vector {
  const vector = new Float64Array(size)
  for (const part of parts) if (numbers[part.name]) numbersOf(vector, part).set(numbers[part.name]!.data)
  return vector
}

function shifted({ data, ...type }: Tensor, by: Vector): Tensor {
  return { ...type, data: Float32Array.from(by, (x, i) => x + data[i]!) }
}
