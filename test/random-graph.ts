import {
  addRows,
  ancestors,
  broadcastTo,
  concat,
  constant,
  exp,
  type Graph,
  gradient,
  graph,
  input,
  logSumExp,
  matmul,
  maximum,
  mean,
  pad,
  reshape,
  sigmoid,
  sizeOf,
  slice,
  softmax,
  stopGradient,
  straightThrough,
  sum,
  type Tensor,
  table,
  takeRows,
  tanh,
  tap,
  tensor,
  transpose,
  type Value,
  withGradient,
} from '../src/graph/index.ts'
import { sampleRng } from './sample-rng.ts'

/** A random function, its gradient and the gradient of that: matrices of few entries, written the way that rules apply to. */
export interface RandomGraph {
  readonly graph: Graph
  readonly given: Readonly<Record<string, Tensor>>
}

/** Without taps the graph is the same but for them. */
export function randomGraph(seed: number, { taps = true }: { taps?: boolean } = {}): RandomGraph {
  const rng = sampleRng(seed)
  const below = (n: number) => rng.index([1], n).data[0]!
  const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!
  const number = () => oneOf([-1.5, -0.5, 0.3, 0.7, 2])
  const inputs: Record<string, Value> = {}
  const given: Record<string, Tensor> = {}
  const fresh = (...shape: number[]) => {
    const name = `x${Object.keys(inputs).length}`
    given[name] = rng.f32(shape, -1, 1)
    inputs[name] = input(name, shape)
    return inputs[name]
  }
  const pool: Value[] = [fresh(3, 5), fresh(6, 2)]
  const matrices = () => pool.filter(({ shape }) => shape.length === 2)
  /** A matrix that is there, or a new one, with rows and columns where they are asked for. */
  const matrix = (rows?: number, columns?: number) => {
    const fits = matrices().filter(({ shape }) => (rows ?? shape[0]) === shape[0] && (columns ?? shape[1]) === shape[1])
    return fits.length > 0 && below(4) > 0 ? oneOf(fits) : fresh(rows ?? oneOf([1, 2, 6]), columns ?? oneOf([1, 2, 6]))
  }
  const like = ({ shape }: Value) => (shape.length === 2 ? matrix(shape[0], shape[1]) : fresh(...shape))
  let names = 0
  const named = (x: Value) => (below(3) === 0 && taps ? tap(`tap.${names++}`, x) : x)
  const binary = (a: Value, b: Value) => oneOf([a.add(b), a.sub(b), a.mul(b), a.div(b.mul(b).add(1))])
  const withNumber = (x: Value) => oneOf([x.add(number()), x.mul(number()), x.div(1.5), constant(number()).sub(x), maximum(x, number())])
  const factor = (rows: number) => matrix(rows, 1)

  const kinds: readonly (() => Value)[] = [
    () => oneOf([tanh, sigmoid, softmax])(oneOf(pool.filter(({ shape }) => shape.length > 0))),
    () => withNumber(oneOf(pool)),
    () => exp(oneOf(pool).mul(0.2)),
    () => {
      const a = oneOf(pool)
      return binary(a, like(a))
    },
    () => {
      const x = matrix()
      return binary(x, oneOf([matrix(x.shape[0], 1), matrix(1, x.shape[1]), fresh(x.shape[1]!)]))
    },
    () => {
      const x = oneOf([matrix(1), matrix(undefined, 1)])
      const wide = broadcastTo(x, [x.shape[0] === 1 ? 3 : x.shape[0]!, x.shape[1] === 1 ? 4 : x.shape[1]!])
      return oneOf([wide, withNumber(wide), binary(wide, like(wide)), binary(like(wide), withNumber(wide))])
    },
    () => {
      const x = oneOf(pool)
      return oneOf([reshape(x, x.shape), reshape(x, [sizeOf(x.shape)]), reshape(reshape(x, [1, sizeOf(x.shape)]), x.shape)])
    },
    () => oneOf([transpose(matrix()), transpose(transpose(matrix())), transpose(matrix(), [0, 1])]),
    () => {
      const a = matrix()
      return matmul(a, matrix(a.shape[1]))
    },
    // Three matrices, thin in between; from the right and from the left, turned, times a number.
    () => {
      const w = oneOf([(x: Value) => x, (x: Value) => x.mul(number()), transpose])(matmul(matrix(6, 1), matrix(1, 6)))
      return oneOf([() => matmul(w, matrix(6)), () => matmul(matrix(undefined, 6), w), () => matmul(w, w)])()
    },
    // A factor for each row, on both sides.
    () => {
      const m = matrix()
      const scaled = oneOf([m.mul(factor(m.shape[0]!)), factor(m.shape[0]!).mul(m)])
      return oneOf([
        () => matmul(scaled, matrix(m.shape[1])),
        () => matmul(transpose(scaled), matrix(m.shape[0])),
        () => matmul(transpose(matrix(m.shape[0])), scaled),
      ])()
    },
    () => {
      const a = matrix()
      return transpose(matmul(transpose(a), matrix(a.shape[0])))
    },
    () => matmul(transpose(fresh(2, 3, 4)), fresh(2, 3, 1)),
    // Attention with fewer numbers a head than positions.
    () => {
      const [q, k, v] = [fresh(2, 4, 2), fresh(2, 4, 2), fresh(2, 4, 2)]
      return matmul(named(softmax(matmul(q.mul(0.5), transpose(named(k))))), named(v))
    },
    () => {
      const other = matrix(3)
      const rows = addRows(constant(0, other.shape), table(tensor([2, 0, 2], [3], 'i32')), matrix(3, other.shape[1]))
      return oneOf([rows.add(other), other.add(rows), rows.add(rows)])
    },
    () => takeRows(matrix(), table(tensor([0, 0], [2], 'i32'))),
    // Halves, whose gradients are paddings that meet.
    () => {
      const x = matrix(6)
      return binary(slice(x, 0, 0, 3), slice(x, 0, 3, 6))
    },
    () => {
      const [x, y] = [matrix(3), matrix(3)]
      return oneOf([concat([x], 0), concat([x, y], 1), pad(x, 1, 0, y.shape[1]!).add(pad(y, 1, x.shape[1]!, 0))])
    },
    () => {
      const x = matrix()
      return oneOf([sum(x, []), sum(x, [0]), mean(x, [1]), logSumExp(x), sum(x)])
    },
    () => stopGradient(oneOf(pool)),
    () => {
      const x = oneOf(pool)
      return oneOf([straightThrough(x, tanh(x)), withGradient(tanh(x), { x }, ({ dy, y, x }) => ({ x: dy.mul(y).add(x) }))])
    },
  ]
  const steps = 3 + below(4)
  for (let i = 0; i < steps; i++) {
    const made = oneOf(kinds)()
    // Small numbers stay small.
    pool.push(named(below(2) === 0 ? made : tanh(made)))
  }
  const scalar = (values: readonly Value[]) => values.map((x) => sum(tanh(x).mul(table(rng.f32(x.shape))))).reduce((a, b) => a.add(b))
  const y = scalar(pool.slice(2))
  const slopes = gradient(y, inputs)
  const curves = gradient(scalar(Object.values(slopes)), inputs)
  // A value on the way that somebody wants to see.
  const inner = ancestors([y]).filter(({ op, inputs }) => op.name !== 'tap' && Object.keys(inputs).length > 0)
  const each = (prefix: string, values: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]))
  return { graph: graph(inputs, { y, inner: oneOf(inner), ...each('slope', slopes), ...each('curve', curves) }), given }
}
