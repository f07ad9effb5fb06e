import { basename } from 'node:path'
import type { FilePlace } from '../files/lazy-tensor.ts'
import { sizeOf, type Value } from '../graph/index.ts'
import { type Bits, BLOCK } from './blocks.ts'
import { inSizes, type Sizes } from './sizes.ts'

export const FLOAT = 1
export const INT32 = 6
export const INT64 = 7
const UINT8 = 2

/** Which half of a matrix in blocks it is. */
export interface Rounded {
  readonly bits: Bits
  readonly half: 'values' | 'scales'
  /** Its rows are read, not multiplied by: a block is no axis of its own. */
  readonly asRows?: boolean
}

/** What the portable form of a graph leaves open. */
export interface Open {
  /** Sizes of the graph's inputs that the file reads from what it is given. */
  readonly sizes: Sizes
  /** Names of inputs that are no inputs of the file: it will hold their numbers. */
  readonly held: ReadonlySet<string>
}

/** A graph inside a node: matrices in, matrices out, by names of its own. */
export interface Body {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly nodes: readonly {
    readonly opType: string
    readonly inputs: readonly string[]
    readonly outputs: readonly string[]
    readonly attrs?: Readonly<Record<string, unknown>>
  }[]
}

/** Inputs one below another, as a constant whose numbers lie outside of the file. */
export function placed(
  name: string,
  parts: readonly Value[],
  { file, rounded }: { readonly file: FilePlace | undefined; readonly rounded: Rounded | undefined },
) {
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0)
  const { dtype, shape } = parts[0]!
  const dims = parts.length === 1 ? shape : shape.with(0, rows)
  const externalData = file
    ? [
        { key: 'location', value: basename(file.file) },
        { key: 'offset', value: String(file.at) },
        { key: 'length', value: String(4 * sizeOf(dims)) },
      ]
    : [{ key: 'location', value: name }]
  if (rounded) {
    const { bits, half, asRows } = rounded
    const blocks = shape[1]! / BLOCK
    const [size, dataType] =
      half === 'values' ? [asRows ? [rows, (shape[1]! * bits) / 8] : [rows, blocks, (BLOCK * bits) / 8], UINT8] : [[rows, blocks], FLOAT]
    return { name, dims: size.map(BigInt), dataType, externalData, dataLocation: 1 }
  }
  return { name, dims: dims.map(BigInt), dataType: dtype === 'i32' ? INT32 : FLOAT, externalData, dataLocation: 1 }
}

/** Node types of ONNX Runtime's own domain that fusions use. */
const microsoft = new Set(['QuickGelu', 'FusedMatMul', 'RotaryEmbedding', 'GroupQueryAttention', 'MatMulNBits', 'GatherBlockQuantized'])

export const sequenceOfFloats = {
  value: { case: 'sequenceType', value: { elemType: { value: { case: 'tensorType', value: { elemType: FLOAT } } } } },
}

export function valueInfo(name: string, { dtype, shape }: Value, sized: boolean, open: Open | undefined) {
  const dim = shape.map((n, i) => {
    const { whole, of } = inSizes(n, open?.sizes ?? {})
    if (of.length > 0) return { value: { case: 'dimParam', value: [...of, ...(whole === 1 ? [] : [whole])].join(' * ') } }
    return { value: sized ? { case: 'dimValue', value: BigInt(n) } : { case: 'dimParam', value: `${name}.${i}` } }
  })
  return tensorInfo(name, dtype === 'i32' ? (open ? INT64 : INT32) : FLOAT, dim)
}

export function tensorInfo(name: string, elemType: number, dim: readonly object[]) {
  return { name, type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } } }
}

export function nodeProto({ opType, inputs, outputs, attrs = {} }: Body['nodes'][number]): object {
  return {
    opType,
    name: outputs[0]!,
    input: inputs,
    output: outputs,
    domain: microsoft.has(opType) ? 'com.microsoft' : '',
    attribute: Object.entries(attrs).map(attribute),
  }
}

/** Names inside must be none of those outside. */
function bodyProto({ inputs, outputs, nodes }: Body) {
  const inside = (name: string) => `.inside.${name}`
  const matrix = (name: string) => tensorInfo(inside(name), FLOAT, [{}, {}])
  const node = nodes.map(({ inputs: reads, outputs: makes, ...node }) =>
    nodeProto({ ...node, inputs: reads.map(inside), outputs: makes.map(inside) }),
  )
  return { name: 'inside', input: inputs.map(matrix), output: outputs.map(matrix), node }
}

export function isMicrosoft({ opType, attrs }: { readonly opType: string; readonly attrs?: Readonly<Record<string, unknown>> }): boolean {
  const body = attrs?.body as Body | undefined
  return microsoft.has(opType) || (body?.nodes.some(isMicrosoft) ?? false)
}

function attribute([name, value]: [string, unknown]) {
  if (name === 'body') return { name, type: 5, g: bodyProto(value as Body) }
  if (Array.isArray(value)) return { name, type: 7, ints: value.map(BigInt) }
  if (typeof value === 'string') return { name, type: 3, s: new TextEncoder().encode(value) }
  if (floats.has(name)) return { name, type: 1, f: value }
  return { name, type: 2, i: BigInt(value as number) }
}

/** Attributes that ONNX wants as float even when the number is whole. */
const floats = new Set(['alpha', 'epsilon', 'scale', 'softcap'])
