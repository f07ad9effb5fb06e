import { type DType, type Shape, sizeOf, type Tensor } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'

/** A named input of a graph: a parameter, a batch of tokens, a scalar that changes from step to step. */
export function input(name: string, shape: Shape, dtype: DType = 'f32'): Value {
  return apply(inputOp, {}, { name, shape, dtype })
}
export const inputOp = op<never, { name: string; shape: Shape; dtype: DType }>('input', {
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  eval: (_, { name }) => {
    throw new Error(`internal: input ${name} was not given a value`)
  },
  onnx: (_, { name }) => name,
  samples: () => [],
})

/** A number, the same in every place of a shape. */
export function constant(fill: number, shape: Shape = []): Value {
  return apply(constantOp, {}, { fill, shape })
}
/** Zeros of the shape of x. */
export function zerosLike(x: Value): Value {
  return constant(0, x.shape)
}
export const constantOp = op<never, { fill: number; shape: Shape }>('constant', {
  infer: (_, { shape }) => ({ dtype: 'f32', shape }),
  eval: (_, { fill, shape }) => ({ dtype: 'f32', shape, data: new Float64Array(sizeOf(shape)).fill(fill) }),
  onnx: ({ g }, { fill, shape }) => (shape.length === 0 ? g.f32(fill) : g.node('Expand', [g.f32(fill), g.i64(shape)])),
  samples: () => [{ attrs: { fill: 0.5, shape: [] } }, { attrs: { fill: -2, shape: [2, 3] } }],
})

/** A table of numbers fixed when the graph is traced, such as the angles of rotary positions. */
export function table(tensor: Tensor): Value {
  return apply(tableOp, {}, { tensor })
}
export const tableOp = op<never, { tensor: Tensor }>('table', {
  infer: (_, { tensor }) => ({ dtype: tensor.dtype, shape: tensor.shape }),
  eval: (_, { tensor }) => (tensor.dtype === 'f32' ? { ...tensor, data: Float64Array.from(tensor.data) } : tensor),
  onnx: ({ g }, { tensor }) => g.weights(tensor),
  samples: (rng) => [{ attrs: { tensor: rng.f32([3, 2]) } }, { attrs: { tensor: rng.index([4], 9) } }],
})
