import { sameShape, show, type Type } from './tensor.ts'
import { ancestors, type Graph, type Value } from './value.ts'

/**
 * What is wrong with a graph, one line for each fault; nothing where it is legal. A legal graph is what every pass may take for granted:
 *
 * - a value is older than whoever reads it, and has what its op's shape rule infers for its inputs and attributes;
 * - shapes are whole numbers from 0 on, dtypes f32 or i32;
 * - attributes are plain data: strings, finite and other numbers, lists and objects of them, arrays of numbers;
 * - inputs are listed, each under one name of its own, and no output is missing.
 */
export function faults(graph: Graph): string[] {
  const listed = Object.values(graph.inputs)
  const names = listed.map(({ attrs }) => String(attrs.name))
  const values = [...new Set([...listed, ...ancestors(Object.values(graph.outputs))])]
  return [
    ...names.filter((name, i) => names.indexOf(name) !== i).map((name) => `two inputs are called ${name}`),
    ...listed.filter(({ op }) => op.name !== 'input').map((value) => `${shown(value)} is listed as an input`),
    ...values.filter(({ op }) => op.name === 'input').flatMap((value) => (listed.includes(value) ? [] : `${shown(value)} is not listed`)),
    ...values.flatMap(faultsOf),
  ]
}

function faultsOf(value: Value): string[] {
  const { op, inputs, attrs, id } = value
  const found = [
    ...Object.entries(inputs).flatMap(([name, input]) => (input.id < id ? [] : `${shown(value)} reads ${name}, which is younger`)),
    ...(isType(value) ? [] : [`${shown(value)} is of no dtype and shape`]),
    ...Object.entries(attrs).flatMap(([name, x]) => (isPlain(x) ? [] : `${shown(value)} has ${name}, which is no plain data`)),
  ]
  const inferred = attempt(() => op.infer(inputs, attrs))
  if (typeof inferred === 'string') return [...found, `${shown(value)} is refused by its op: ${inferred}`]
  const same = inferred.dtype === value.dtype && sameShape(inferred.shape, value.shape)
  return same ? found : [...found, `${shown(value)} must be ${show(inferred)}`]
}

function attempt<T>(f: () => T): T | string {
  try {
    return f()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function isType({ dtype, shape }: Type): boolean {
  return (dtype === 'f32' || dtype === 'i32') && shape.every((n) => Number.isInteger(n) && n >= 0)
}

function isPlain(x: unknown): boolean {
  if (typeof x === 'number' || typeof x === 'string' || typeof x === 'boolean' || ArrayBuffer.isView(x)) return true
  if (typeof x !== 'object' || x === null) return false
  const plain = Array.isArray(x) || Object.getPrototypeOf(x) === Object.prototype
  return plain && Object.values(x).every(isPlain)
}

function shown(value: Value): string {
  return `${value.op.name} ${value.attrs.name ?? value.id} ${show(value)}`
}
