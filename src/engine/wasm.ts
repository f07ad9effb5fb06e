import { ancestors, demand, type Graph, show, simplify, sizeOf, type Value } from '../graph/index.ts'

/**
 * An elementwise update as WebAssembly: `run(count, …array offsets in bytes, …output offsets, …scalars)` works in place on the engine's
 * memory, four numbers at a time. `sumOfSquares(count, offset)` adds up in f64.
 */
export interface Kernel {
  readonly bytes: Uint8Array
  /** Names of array inputs, of outputs, and of scalar inputs, in the order of the parameters. */
  readonly arrays: readonly string[]
  readonly outputs: readonly string[]
  readonly scalars: readonly string[]
}

/**
 * Compiles a straight-line elementwise graph to WebAssembly SIMD, so that an optimizer's update is written once, as a graph, and still
 * runs in place over parameters and moments (ONNX Runtime would copy every output).
 *
 * throws  ShapeError when an op of the graph is not elementwise, or an input is neither a scalar nor of the common shape
 * limits  offsets must be multiples of 16 and arrays padded to a multiple of 4 numbers
 * source  WebAssembly 2.0, fixed-width SIMD
 */
export function toWasm(written: Graph): Kernel {
  const graph = simplify(written)
  const isScalar = (value: Value) => value.shape.length === 0
  const inputs = Object.entries(graph.inputs)
  const arrays = inputs.filter(([, value]) => !isScalar(value))
  const scalars = inputs.filter(([, value]) => isScalar(value))
  const outputs = Object.entries(graph.outputs)
  const shape = arrays[0]![1].shape
  for (const [name, value] of [...arrays, ...outputs]) {
    demand(
      sizeOf(value.shape) === sizeOf(shape),
      () => `toWasm: every array must have one shape, got ${name} ${show(value)} beside [${shape}]`,
    )
  }
  const local = new Map<Value, number>()
  const parameter = (index: number) => index + 1 // local 0 is the count
  const counter = 1 + arrays.length + outputs.length + scalars.length
  let next = counter + 1
  const code: number[] = []
  const before: number[] = []
  scalars.forEach(([, value], i) => {
    before.push(0x20, ...leb(parameter(arrays.length + outputs.length + i)), ...simd(0x13), 0x21, ...leb(next))
    local.set(value, next++)
  })
  arrays.forEach(([, value], i) => {
    code.push(...address(parameter(i)), ...simd(0x00), 4, 0, 0x21, ...leb(next))
    local.set(value, next++)
  })
  for (const value of ancestors(Object.values(graph.outputs))) {
    if (local.has(value)) continue
    const target = value.op.name === 'constant' ? before : code
    if (value.op.name === 'constant') target.push(0x43, ...f32(value.attrs.fill as number), ...simd(0x13))
    else {
      const opcode = opcodes[value.op.name]
      demand(
        opcode !== undefined,
        () => `toWasm: only elementwise ops can be compiled, got ${value.op.name}; known are ${Object.keys(opcodes).join(', ')}`,
      )
      for (const input of Object.values(value.inputs)) target.push(0x20, ...leb(local.get(input)!))
      target.push(...simd(opcode))
    }
    target.push(0x21, ...leb(next))
    local.set(value, next++)
  }
  outputs.forEach(([, value], i) => {
    code.push(...address(parameter(arrays.length + i)), 0x20, ...leb(local.get(value)!), ...simd(0x0b), 4, 0)
  })
  function address(base: number): number[] {
    return [0x20, ...leb(base), 0x20, ...leb(counter), 0x6a]
  }

  const params = [I32, ...arrays.map(() => I32), ...outputs.map(() => I32), ...scalars.map(() => F32)]
  const body = [
    ...before,
    ...[0x03, 0x40], // loop
    ...code,
    ...[0x20, ...leb(counter), 0x41, 16, 0x6a, 0x22, ...leb(counter), 0x20, 0, 0x41, 2, 0x74, 0x48, 0x0d, 0, 0x0b], // counter += 16; again while counter < count · 4
  ]
  const locals = [...leb(2), ...leb(1), I32, ...leb(next - counter - 1), V128]
  const bytes = wasmModule([
    { name: 'run', params, results: [], body: [...locals, ...body, 0x0b] },
    { name: 'sumOfSquares', params: [I32, I32], results: [F64], body: sumOfSquares },
  ])
  return { bytes, arrays: arrays.map(([name]) => name), outputs: outputs.map(([name]) => name), scalars: scalars.map(([name]) => name) }
}

const I32 = 0x7f
const F32 = 0x7d
const F64 = 0x7c
const V128 = 0x7b

/** f32x4 instructions by op; tolerances of the engine's tests hold for each. */
const opcodes: Readonly<Record<string, number>> = {
  neg: 0xe1,
  sqrt: 0xe3,
  add: 0xe4,
  sub: 0xe5,
  mul: 0xe6,
  div: 0xe7,
  minimum: 0xe8,
  maximum: 0xe9,
}

// Locals: 0 count, 1 offset, 2 end (i32), 3 total, 4 x (f64), 5 and 6 sums of two, 7 two numbers (v128).
const sumOfSquares: readonly number[] = [
  ...[3, 1, I32, 2, F64, 3, V128],
  ...[0x20, 1, 0x20, 0, 0x41, 2, 0x74, 0x6a, 0x21, 2], // end = offset + count · 4
  ...[0x02, 0x40, 0x03, 0x40, 0x20, 1, 0x41, 16, 0x6a, 0x20, 2, 0x4b, 0x0d, 1], // while offset + 16 ≤ end (unsigned)
  ...twoSquares(0, 5),
  ...twoSquares(8, 6),
  ...[0x20, 1, 0x41, 16, 0x6a, 0x21, 1, 0x0c, 0, 0x0b, 0x0b],
  ...[0x20, 5, 0x20, 6, ...simd(0xf0), 0x22, 7, ...simd(0x21), 0, 0x20, 7, ...simd(0x21), 1, 0xa0, 0x21, 3], // total = both lanes of both
  ...[0x02, 0x40, 0x03, 0x40, 0x20, 1, 0x20, 2, 0x4f, 0x0d, 1], // while offset < end (unsigned)
  ...[0x20, 1, 0x2a, 2, 0, 0xbb, 0x22, 4, 0x20, 4, 0xa2, 0x20, 3, 0xa0, 0x21, 3], // total += x²
  ...[0x20, 1, 0x41, 4, 0x6a, 0x21, 1, 0x0c, 0, 0x0b, 0x0b],
  ...[0x20, 3, 0x0b],
]

/** Two numbers from `at` bytes beyond the offset, widened to f64 and squared, added to a local. */
function twoSquares(at: number, local: number): number[] {
  return [0x20, 1, ...simd(0x5d), 3, at, ...simd(0x5f), 0x22, 7, 0x20, 7, ...simd(0xf2), 0x20, local, ...simd(0xf0), 0x21, local]
}

function simd(opcode: number): number[] {
  return [0xfd, ...leb(opcode)]
}

function leb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest & 0x7f
    rest >>>= 7
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return bytes
}

function f32(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)]
}

function wasmModule(
  functions: readonly { name: string; params: readonly number[]; results: readonly number[]; body: readonly number[] }[],
): Uint8Array {
  const section = (id: number, items: readonly (readonly number[])[]) => {
    const content = [...leb(items.length), ...items.flat()]
    return [id, ...leb(content.length), ...content]
  }
  const name = (text: string) => [...leb(text.length), ...new TextEncoder().encode(text)]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      functions.map((f) => [0x60, ...leb(f.params.length), ...f.params, ...leb(f.results.length), ...f.results]),
    ),
    ...section(2, [[...name('engine'), ...name('memory'), 0x02, 0x00, 1]]),
    ...section(
      3,
      functions.map((_, i) => leb(i)),
    ),
    ...section(
      7,
      functions.map((f, i) => [...name(f.name), 0x00, ...leb(i)]),
    ),
    ...section(
      10,
      functions.map((f) => [...leb(f.body.length), ...f.body]),
    ),
  ])
}
