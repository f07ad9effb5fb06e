export { cutGraph, type Stage } from './cut.ts'
export { demand, ShapeError, UserError } from './errors.ts'
export { evaluate } from './evaluate.ts'
export { type GradientMark, gradient, gradientMarks, hessianVectorProduct, madeByGradient, unreached } from './gradient.ts'
export { jacobianVectorProduct, vectorJacobianProduct } from './jacobian.ts'
export { faults } from './legal.ts'
export { abs, erf, exp, gelu, geluTanh, log, logSigmoid, maximum, minimum, sigmoid, silu, sqrt, step, tanh } from './ops/elementwise.ts'
export { addRows, takeKnownRows, takeRows } from './ops/indexing.ts'
export { constant, input, table, zerosLike } from './ops/leaf.ts'
export { linear, matmul } from './ops/linear.ts'
export { composite, stopGradient, straightThrough, type Tap, tap, withGradient } from './ops/marks.ts'
export { expectedRow, type InBlocks, logPartition } from './ops/partition.ts'
export { argMax, argSort, logSumExp, mean, softmax, sum } from './ops/reduce.ts'
export { broadcastTo, concat, pad, reshape, slice, transpose } from './ops/shape.ts'
export { printGraph } from './print.ts'
export { simplify } from './simplify.ts'
export { type Split, type SplitOptions, splitGraph } from './split.ts'
export {
  type Data,
  type DType,
  isTensor,
  leaves,
  type Nested,
  type Shape,
  sameShape,
  show,
  sizeOf,
  type Tensor,
  type Type,
  tensor,
  zeros,
} from './tensor.ts'
export { ancestors, type Graph, graph, isValue, type Lowering, mapNested, type Op, Value } from './value.ts'
