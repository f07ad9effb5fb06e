import { demand } from './errors.ts'

/** How numbers are held: f32 for everything that is computed with, i32 for tokens, positions and other indices. */
export type DType = 'f32' | 'i32'

export type Shape = readonly number[]

export interface Type {
  readonly dtype: DType
  readonly shape: Shape
}

/** The numbers of an f32 tensor are f64 inside the reference evaluator, which computes in double precision. */
export type Data = Float32Array | Float64Array | Int32Array

/** Numbers with a dtype and a shape, row-major. */
export interface Tensor extends Type {
  readonly data: Data
}

/** Nested plain objects and lists whose leaves are all of one kind: a model is a function of Nested<Value>, a checkpoint a Nested<Tensor>. */
export type Nested<T> = T | readonly Nested<T>[] | { readonly [name: string]: Nested<T> }

/**
 * Makes a tensor from numbers.
 *
 * throws  ShapeError when the shape does not hold as many numbers as came
 */
export function tensor(data: Data | readonly number[], shape: Shape, dtype: DType = data instanceof Int32Array ? 'i32' : 'f32'): Tensor {
  demand(data.length === sizeOf(shape), () => `tensor: [${shape}] holds ${sizeOf(shape)} numbers, got ${data.length}`)
  if (Array.isArray(data)) return { dtype, shape, data: dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data) }
  return { dtype, shape, data: data as Data }
}

/** A tensor of zeros. */
export function zeros(shape: Shape, dtype: DType = 'f32'): Tensor {
  return { dtype, shape, data: dtype === 'i32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape)) }
}

/** How many numbers a shape holds: the product of its axes, 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const n of shape) size *= n
  return size
}

/** `f32[2, 16, 64]`, as it stands in every message and print. */
export function show(type: Type): string {
  return `${type.dtype}[${type.shape.join(', ')}]`
}

/** Whether two shapes have the same axes. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

/** Tells tensors from the plain objects that hold them. */
export function isTensor(x: unknown): x is Tensor {
  // Its numbers may be read only when they are asked for, so they are not looked at.
  return typeof x === 'object' && x !== null && 'data' in x && 'shape' in x && 'dtype' in x
}

/** The leaves of a nested object with their dotted names, in the order they were written. */
export function leaves<T>(nested: Nested<T>, isLeaf: (x: unknown) => x is T, prefix = ''): [string, T][] {
  if (isLeaf(nested)) return [[prefix, nested]]
  return Object.entries(nested as { readonly [name: string]: Nested<T> }).flatMap(([name, inner]) =>
    leaves(inner, isLeaf, prefix ? `${prefix}.${name}` : name),
  )
}
