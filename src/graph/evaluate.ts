import { demand } from './errors.ts'
import { sameShape, show, type Tensor } from './tensor.ts'
import { ancestors, type Graph, type Value } from './value.ts'

/**
 * Runs a graph by its ops' definitions, in f64 and slowly: what every faster way of running it is compared with.
 *
 * throws  ShapeError when an input is missing or has another type than was traced
 */
export function evaluate(graph: Graph, given: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const known = new Map<Value, Tensor>()
  for (const [name, value] of Object.entries(graph.inputs)) {
    const tensor = given[name]
    demand(
      tensor !== undefined && tensor.dtype === value.dtype && sameShape(tensor.shape, value.shape),
      () => `evaluate: input ${name} must be ${show(value)}, got ${tensor ? show(tensor) : 'nothing'}`,
    )
    known.set(value, tensor.dtype === 'f32' ? { ...tensor, data: Float64Array.from(tensor.data) } : tensor)
  }
  for (const value of ancestors(Object.values(graph.outputs))) {
    if (known.has(value)) continue
    const inputs = Object.fromEntries(Object.entries(value.inputs).map(([name, input]) => [name, known.get(input)!]))
    known.set(value, value.op.eval(inputs, value.attrs))
  }
  return Object.fromEntries(Object.entries(graph.outputs).map(([name, value]) => [name, known.get(value)!]))
}
