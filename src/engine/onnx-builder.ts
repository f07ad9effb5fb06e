import { create, type Message } from '@bufbuild/protobuf'
import type { FilePlace } from '../files/lazy-tensor.ts'
import { type Graph, type Lowering, type Shape, sameShape, type Tensor, type Value } from '../graph/index.ts'
import { type Bits, BLOCK } from './blocks.ts'
import {
  FLOAT,
  INT32,
  INT64,
  isMicrosoft,
  nodeProto,
  type Open,
  placed,
  type Rounded,
  sequenceOfFloats,
  tensorInfo,
  valueInfo,
} from './onnx-messages.ts'
import { ModelProto } from './onnx-proto.ts'
import { STOP } from './protocol.ts'
import { inSizes } from './sizes.ts'

/** Inputs that belong to a program, not to a run. */
export type Numbers = Readonly<Record<string, BigInt64Array | Float32Array>>

/** A model as it is written: how many nodes of each type it has, and what it is given besides its inputs. */
export interface Written {
  readonly model: Message
  readonly nodes: Readonly<Record<string, number>>
  /** In the running form, numbers that are inputs too: axes, shapes and constants. So graphs that differ in sizes alone are one file. */
  readonly numbers: Numbers
  /** What the file holds of its inputs, at each place that it names as external data. */
  readonly held: Readonly<Record<string, Place>>
}

/** Inputs that lie one below another at a place, as they are or rounded to blocks. */
export interface Place {
  readonly parts: readonly string[]
  readonly rounded?: Rounded
}

/** Inputs that are constants of the file; with `bits`, those that rows are multiplied by are rounded to blocks. */
export interface Held {
  readonly names: ReadonlySet<string>
  readonly bits?: Bits
}

/** Where held inputs lie in files. */
export type Files = ReadonlyMap<string, FilePlace>

/** What fusions are written with. */
export interface Builder extends Lowering {
  /** The same numbers in another shape; no node where they had that shape before. */
  reshape(name: string, shape: Shape): string
  /** What was reshaped to this, where its last axis is as long. */
  before(name: string, width: number): { readonly name: string; readonly shape: Shape } | undefined
  /** Notes the shape of what a node made. */
  shaped(name: string, shape: Shape): string
  /** Held inputs, one below another. */
  joined(inputs: readonly string[]): string
  /** x · [w₁; w₂; …]ᵀ for held matrices rounded to blocks. */
  blockProduct(x: string, weights: readonly string[], bits: Bits): string
  /** Rows of a held matrix rounded to blocks of 8 bits, whatever products are rounded to: few of them are read. */
  blockRows(weight: string, index: string): string
}

/** Collects the nodes of one model, equal ones once, and writes it. */
export function onnxBuilder(
  graph: Graph,
  portable: boolean,
  { held, files }: { readonly held: ReadonlySet<string>; readonly files: Files },
  open: Open | undefined,
) {
  const nodes: { opType: string; inputs: readonly string[]; outputs: string[]; attrs: Readonly<Record<string, unknown>> }[] = []
  const initializers: { name: string; dims: readonly number[]; dataType: number; rawData: Uint8Array }[] = []
  const known = new Map<string, string[]>()
  const finalNames = new Map<string, string>()
  const inputs = Object.values(graph.inputs)
  const taken = new Set(inputs.map(({ attrs }) => String(attrs.name)))
  const produced = new Set<string>()
  const numbers: Record<string, BigInt64Array | Float32Array> = {}
  const shapes = new Map<string, Shape>()
  const reshapedFrom = new Map<string, string>()
  const places = new Map<string, Place>()
  if (!open) for (const name of held) places.set(name, { parts: [name] })

  const nodeWith = (opType: string, inputs: readonly string[], outputs: number, attrs: Readonly<Record<string, unknown>>) => {
    const key = `${opType}|${inputs.join(',')}|${JSON.stringify(attrs)}`
    const before = known.get(key)
    if (before) return before
    const made = Array.from({ length: outputs }, (_, i) => `${opType}_${nodes.length}${outputs > 1 ? `_${i}` : ''}`)
    nodes.push({ opType, inputs, outputs: made, attrs })
    for (const name of made) produced.add(name)
    known.set(key, made)
    return made
  }
  const initializer = (key: string, dims: readonly number[], dataType: number, data: ArrayBufferView) => {
    const before = known.get(key)
    if (before) return before[0]!
    const name = `const_${initializers.length}`
    initializers.push({ name, dims, dataType, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) })
    known.set(key, [name])
    return name
  }
  const number = (key: string, dims: readonly number[], dataType: number, data: BigInt64Array | Float32Array) => {
    if (portable) return initializer(key, dims, dataType, data)
    const name = known.get(key)?.[0] ?? `.numbers_${known.size}`
    known.set(key, [name])
    numbers[name] = data
    return name
  }
  /** A reshape that was written and then passed over is no part of the file. */
  const dropUnread = (outputs: readonly string[]) => {
    const read = new Set(outputs)
    for (let i = nodes.length - 1; i >= 0; i--) {
      const { inputs, outputs: made } = nodes[i]!
      if (made.some((name) => read.has(name) || read.has(finalNames.get(name) ?? name))) for (const name of inputs) read.add(name)
      else nodes.splice(i, 1)
    }
  }
  /** Both halves of held matrices in blocks. */
  const halves = (parts: readonly string[], how: Omit<Rounded, 'half'>) =>
    (['values', 'scales'] as const).map((half) => {
      const name = `${parts.join('+')}.int${how.bits}${how.asRows ? '.rows' : ''}.${half}`
      places.set(name, { parts, rounded: { ...how, half } })
      return name
    }) as [string, string]
  const i64 = (values: readonly number[]) =>
    number(`i64:${values.length}:${values}`, [values.length], INT64, BigInt64Array.from(values, BigInt))
  /** Numbers that are made of sizes, read from the inputs at hand. */
  const openNumbers = (values: readonly number[]) => {
    const parts = values.map((n) => {
      const { whole, of } = inSizes(n, open!.sizes)
      const read = of.map((name) => sizeOfInput(open!.sizes[name]!))
      return [...read, ...(whole === 1 && read.length > 0 ? [] : [i64([whole])])].reduce((a, b) => nodeWith('Mul', [a, b], 1, {})[0]!)
    })
    return parts.length === 1 ? parts[0]! : nodeWith('Concat', parts, 1, { axis: 0 })[0]!
  }
  const sizeOfInput = (size: number) => {
    const from = inputs.find(({ shape }) => shape.includes(size))
    if (!from) throw new Error(`internal: a size left open must be of an input, got ${size}`)
    const axis = from.shape.indexOf(size)
    return nodeWith('Shape', [String(from.attrs.name)], 1, { start: axis, end: axis + 1 })[0]!
  }
  const builder: Builder & {
    rename(name: string | undefined, to: string): void
    output(name: string, to: string): string
    finish(outputs: readonly { name: string; value: Value }[]): Written
  } = {
    node: (opType, inputs, attrs = {}) => nodeWith(opType, inputs, 1, attrs)[0]!,
    nodes: (opType, inputs, outputs, attrs = {}) => nodeWith(opType, inputs, outputs, attrs),
    i64: (values) => (open && values.some((n) => inSizes(n, open.sizes).of.length > 0) ? openNumbers(values) : i64(values)),
    f32: (value) => number(`f32:${Object.is(value, -0) ? '-0' : value}`, [], FLOAT, Float32Array.of(value)),
    weights: ({ dtype, shape, data }: Tensor) =>
      dtype === 'i32'
        ? initializer(`table:${initializers.length}`, shape, INT32, Int32Array.from(data))
        : initializer(`table:${initializers.length}`, shape, FLOAT, Float32Array.from(data)),
    reshape(name, shape) {
      const from = reshapedFrom.get(name) ?? name
      const before = shapes.get(from)
      if (before && sameShape(before, shape)) return from
      const made = nodeWith('Reshape', [from, i64(shape)], 1, {})[0]!
      reshapedFrom.set(made, from)
      return builder.shaped(made, shape)
    },
    before(name, width) {
      const from = reshapedFrom.get(name)
      const shape = from === undefined ? undefined : shapes.get(from)
      return from !== undefined && shape?.at(-1) === width ? { name: from, shape } : undefined
    },
    shaped(name, shape) {
      if (!shapes.has(name)) shapes.set(name, shape)
      return name
    },
    joined(parts) {
      // ONNX Runtime maps either all of its constants or none, and joins these when it loads them.
      if (parts.some((part) => files.has(part))) return nodeWith('Concat', parts, 1, { axis: 0 })[0]!
      const name = parts.join('+')
      places.set(name, { parts })
      return name
    },
    blockProduct(x, weights, bits) {
      const [values, scales] = halves(weights, { bits })
      const shapes = weights.map((weight) => inputs.find(({ attrs }) => attrs.name === weight)!.shape)
      const [K, N] = [shapes[0]![1]!, shapes.reduce((rows, [n]) => rows + n!, 0)]
      // Level 4 rounds what is multiplied to 8 bits too and adds up whole numbers; the exact level runs at a fifth of its speed.
      return builder.node('MatMulNBits', [x, values, scales], { K, N, bits, block_size: BLOCK, accuracy_level: 4 })
    },
    blockRows(weight, index) {
      const [values, scales] = halves([weight], { bits: 8, asRows: true })
      return builder.node('GatherBlockQuantized', [values, index, scales], { bits: 8, block_size: BLOCK, gather_axis: 0, quantize_axis: 1 })
    },
    rename(name, to) {
      if (name === undefined || finalNames.has(name) || taken.has(to) || !produced.has(name)) return
      finalNames.set(name, to)
      taken.add(to)
    },
    output(name, to) {
      const own = produced.has(name)
      if (own && !finalNames.has(name) && !taken.has(to)) {
        finalNames.set(name, to)
        taken.add(to)
        return to
      }
      // A graph output that is an input, a constant, or another output as well needs a node of its own.
      nodes.push({ opType: 'Identity', inputs: [name], outputs: [to], attrs: {} })
      return to
    },
    finish(outputs) {
      dropUnread(outputs.map(({ name }) => name))
      const counts: Record<string, number> = {}
      for (const { opType } of nodes) counts[opType] = (counts[opType] ?? 0) + 1
      if (!portable) nodes.push({ opType: 'SequenceEmpty', inputs: [], outputs: [STOP], attrs: {} })
      const consumed = new Set(nodes.flatMap(({ inputs }) => inputs))
      for (const name of Object.keys(numbers)) if (!consumed.has(name)) delete numbers[name]
      const ends = nodes.filter(({ outputs }) => !outputs.some((name) => consumed.has(name)))
      // ONNX Runtime runs what the last node needs, then what the last but one needs, …: so the first gradient made is the first to run.
      const ordered = [...nodes.filter((node) => !ends.includes(node)), ...ends.toReversed()]
      const final = (name: string) => finalNames.get(name) ?? name
      const external = [...places].filter(([name]) => consumed.has(name))
      const model = create(ModelProto, {
        irVersion: 10n,
        producerName: 'innate',
        opsetImport: [{ domain: '', version: 21n }, ...(nodes.some(isMicrosoft) ? [{ domain: 'com.microsoft', version: 1n }] : [])],
        graph: {
          name: 'innate',
          input: [
            ...inputs
              .filter(({ attrs }) => !held.has(String(attrs.name)))
              .map((value) => valueInfo(String(value.attrs.name), value, portable, open)),
            ...Object.entries(numbers).map(([name, data]) =>
              data instanceof Float32Array ? tensorInfo(name, FLOAT, []) : tensorInfo(name, INT64, [{}]),
            ),
          ],
          output: [
            ...(portable ? [] : [{ name: STOP, type: sequenceOfFloats }]),
            ...outputs.map(({ name, value }) => valueInfo(name, value, portable, open)),
          ],
          initializer: [
            ...initializers.map((x) => ({ name: x.name, dims: x.dims.map(BigInt), dataType: x.dataType, rawData: x.rawData })),
            ...external.map(([name, { parts, rounded }]) =>
              placed(
                name,
                parts.map((part) => inputs.find(({ attrs }) => attrs.name === part)!),
                { file: files.get(name), rounded },
              ),
            ),
          ],
          node: ordered.map(({ inputs, outputs: made, ...node }) =>
            nodeProto({ ...node, inputs: inputs.map(final), outputs: made.map(final) }),
          ),
        },
      } as never)
      return { model, nodes: counts, numbers, held: Object.fromEntries(external.filter(([name]) => !files.has(name))) }
    },
  }
  return builder
}
