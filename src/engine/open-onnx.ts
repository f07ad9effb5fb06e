import { create, type Message, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { Graph, Tensor } from '../graph/index.ts'
import { lowered } from './lower.ts'
import { FLOAT } from './onnx-messages.ts'
import { GraphProto, ModelProto, TensorProto } from './onnx-proto.ts'
import type { Sizes } from './sizes.ts'

/** The most bytes a protobuf file holds: its readers count in 32 bits with a sign. */
export const MOST_PROTOBUF_BYTES = 2 ** 31 - 1

/** A model file, as the pieces it is written in; those of the weights are the weights' own memory. */
export interface OnnxFile {
  readonly pieces: readonly Uint8Array[]
  readonly byteLength: number
}

/**
 * Writes one portable ONNX model for all sizes of a graph: the graph is traced at given sizes, and every number that is made of them is
 * read from the inputs' shapes instead. Inputs of i32 are int64 in the file, and `weights` are inputs whose numbers the file holds.
 *
 * What is made of a size is told by its factors, so sizes are best primes that divide nothing else. Whether it was told rightly shows in a
 * second trace at other sizes: it must come to the same file.
 *
 * throws  internal error when the two traces differ
 */
export function openOnnx<Name extends string>(
  trace: (sizes: Record<Name, number>) => Graph,
  [sizes, others]: readonly [Record<Name, number>, Record<Name, number>],
  weights: Readonly<Record<string, Tensor>>,
): OnnxFile {
  const held = new Set(Object.keys(weights))
  const { model, graph } = parts(trace(sizes), sizes, held)
  const other = parts(trace(others), others, held)
  if (Buffer.compare(graph, other.graph) !== 0)
    throw new Error(`internal: a graph must be the same file at all sizes, got two at ${JSON.stringify([sizes, others])}`)
  const tensors = Object.entries(weights).flatMap(([name, tensor]) => weight(name, tensor))
  return piecesOf([model, ...field(MODEL_GRAPH, [graph, ...tensors])])
}

/** The numbers of fields in onnx.proto that are written here and not by its schema. */
const MODEL_GRAPH = 7
const GRAPH_INITIALIZER = 5
const TENSOR_RAW_DATA = 9

/** The bytes of a model without its graph, and those of the graph. */
function parts(traced: Graph, sizes: Sizes, held: ReadonlySet<string>): { model: Uint8Array; graph: Uint8Array } {
  const { graph, ...model } = lowered(traced, { portable: true, open: { sizes, held } }).model as Message & { readonly graph: Message }
  return { model: toBinary(ModelProto, model as Message), graph: toBinary(GraphProto, graph) }
}

function weight(name: string, { shape, data }: Tensor): Uint8Array[] {
  const about = toBinary(TensorProto, create(TensorProto, { name, dims: shape.map(BigInt), dataType: FLOAT } as never))
  const raw = data instanceof Float32Array ? data : Float32Array.from(data)
  return field(GRAPH_INITIALIZER, [about, ...field(TENSOR_RAW_DATA, [new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength)])])
}

/** A field of bytes or of a message, around its content. */
function field(number: number, content: readonly Uint8Array[]): Uint8Array[] {
  const head = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(piecesOf(content).byteLength).finish()
  return [head, ...content]
}

function piecesOf(pieces: readonly Uint8Array[]): OnnxFile {
  return { pieces, byteLength: pieces.reduce((sum, { byteLength }) => sum + byteLength, 0) }
}
