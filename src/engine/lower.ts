import { toBinary } from '@bufbuild/protobuf'
import { ancestors, demand, type Graph, simplify, type Value } from '../graph/index.ts'
import { type Fusion, fusionOf } from './fuse.ts'
import { movesNothing } from './match.ts'
import { type Files, type Held, onnxBuilder, type Written } from './onnx-builder.ts'
import { INT32, type Open } from './onnx-messages.ts'
import { ModelProto } from './onnx-proto.ts'

/** An ONNX model's bytes, and what is written of it. */
export interface OnnxModel extends Omit<Written, 'model'> {
  readonly bytes: Uint8Array
}

/**
 * Writes a graph as an ONNX model. Every op lowers itself; equal nodes are written once; values that have a tap carry its name, so that
 * the file can be read in any ONNX viewer.
 *
 * The running form uses ONNX Runtime's fused kernels where the graph has a composite that one exists for (see fusionOf); only ONNX
 * Runtime loads it. The portable form has standard ONNX operators alone and computes the same. Inputs named in `held` are constants of
 * the running form, whose numbers are given when it is loaded: ONNX Runtime then packs them for its products once, not in every run. Those of `files` it maps from there.
 *
 * source  ONNX IR version 10, opset 21; com.microsoft 1
 */
export function toOnnx(graph: Graph, { portable = false, ...more }: { portable?: boolean; held?: Held; files?: Files } = {}): OnnxModel {
  const { model, ...rest } = lowered(graph, { portable, ...more })
  return { bytes: toBinary(ModelProto, model), ...rest }
}

/** The form with sizes left open is portable, and its inputs of i32 are int64 in the file, as others have them. */
export function lowered(
  written: Graph,
  {
    portable = false,
    held = { names: new Set<string>() },
    files = new Map(),
    open,
  }: { readonly portable?: boolean; readonly held?: Held; readonly files?: Files; readonly open?: Open },
): Written {
  const graph = simplify(written)
  const builder = onnxBuilder(graph, portable, { held: open?.held ?? held.names, files }, open)
  const names = new Map<Value, string>()
  const order = ancestors(Object.values(graph.outputs))
  // Backwards first: what only a fusion's inside needs is not written.
  const needed = new Set<Value>(Object.values(graph.outputs))
  const fusions = new Map<Value, Fusion>()
  const users = new Map<Value, number>()
  for (const input of order.flatMap((value) => Object.values(value.inputs))) users.set(input, (users.get(input) ?? 0) + 1)
  for (const value of order.toReversed()) {
    if (!needed.has(value)) continue
    const fusion = portable ? undefined : fusionOf(value, users, held)
    if (fusion) fusions.set(value, fusion)
    for (const input of fusion ? fusion.needs : Object.values(value.inputs)) needed.add(input)
  }
  for (const value of order) {
    if (!needed.has(value)) continue
    const fusion = fusions.get(value)
    const needs = fusion?.needs.map((need) => names.get(need)!)
    const name = fusion ? fusion.lower(builder, needs!) : byRule(value)
    builder.shaped(name, value.shape)
    names.set(value, name)
  }
  function byRule(value: Value): string {
    if (open && value.op.name === 'input' && value.dtype === 'i32') return builder.node('Cast', [String(value.attrs.name)], { to: INT32 })
    if (!portable && movesNothing(value)) return builder.reshape(names.get(value.inputs.x!)!, value.shape)
    const inputs = Object.fromEntries(Object.entries(value.inputs).map(([key, input]) => [key, names.get(input)!]))
    return value.op.onnx({ ...inputs, g: builder } as never, value.attrs, { ...value.inputs, y: value } as never)
  }

  const inputNames = new Set(Object.values(graph.inputs).map(({ attrs }) => attrs.name))
  for (const name of Object.keys(graph.outputs))
    demand(!inputNames.has(name), () => `engine: outputs and inputs must have different names, got ${name} for both; rename one`)
  const outputs = Object.entries(graph.outputs).map(([name, value]) => ({ name: builder.output(names.get(value)!, name), value }))
  for (const [value, tap] of graph.taps) builder.rename(names.get(value), tap)
  return builder.finish(outputs)
}
