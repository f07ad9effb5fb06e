import { evaluate, type Graph, type Tensor } from '../src/graph/index.ts'

/** The slope of a graph's scalar output y at one of its inputs, (y(x + h) − y(x − h)) / 2h entry by entry, in f64. */
export function centralDifference(graph: Graph, given: Readonly<Record<string, Tensor>>, name: string, h = 1e-5): Tensor {
  const x = given[name]!
  const at = (i: number, d: number) => {
    const data = Float64Array.from(x.data)
    data[i]! += d
    return evaluate(graph, { ...given, [name]: { ...x, data } }).y!.data[0]!
  }
  return { dtype: 'f32', shape: x.shape, data: Float64Array.from(x.data, (_, i) => (at(i, h) - at(i, -h)) / (2 * h)) }
}
