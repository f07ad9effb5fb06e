import type { Value } from '../graph/index.ts'
import type { Fusion } from './fuse.ts'
import type { Builder } from './onnx-builder.ts'
import type { Body } from './onnx-messages.ts'

/**
 * logPartition and its gradients over blocks of rows of w, one after the other: what is multiplied is one block at a time. A block is part of
 * w where it lies, and what is made of a block is written where it belongs, so nothing is copied.
 *
 * source  ONNX Scan, opset 11; running maximum and sums: Milakov and Gimelshein 2018, arXiv:1805.02867
 */
export function inBlocks(value: Value, users: ReadonlyMap<Value, number>): Fusion | undefined {
  const { op, inputs, attrs } = value
  const { x, w } = inputs
  const blocks = attrs.blocks as number
  if (op.name === 'logPartition' || op.name === 'expectedRow') {
    // Where both are read they are made in one pass.
    const expects = op.name === 'expectedRow' || [...users.keys()].some((other) => isExpectedRow(other, value))
    return {
      needs: [x!, w!],
      lower(g, [rows, weight]) {
        const [top, sums, expected] = sumsOf(g, value, { rows: rows!, weight: inParts(g, weight!, w!, blocks), expects })
        return op.name === 'logPartition' ? g.node('Add', [top!, g.node('Log', [sums!])]) : g.node('Div', [expected!, sums!])
      },
    }
  }
  if (op.name !== 'partitionSlope') return undefined
  return {
    needs: [x!, w!, inputs.lse!, inputs.by!],
    lower(g, [rows, weight, lse, by]) {
      const turned = (name: string) => g.node('Transpose', [name], { perm: [1, 0] })
      const given = [rows!, turned(lse!), turned(by!)]
      const [, , , slope] = g.nodes('Scan', [...given, inParts(g, weight!, w!, blocks)], 4, { num_scan_inputs: 1, body: slopeBody })
      return g.reshape(g.shaped(slope!, [blocks, w!.shape[0]! / blocks, w!.shape[1]!]), w!.shape)
    },
  }
}

function isExpectedRow({ op, inputs, attrs }: Value, of: Value): boolean {
  return op.name === 'expectedRow' && inputs.x === of.inputs.x && inputs.w === of.inputs.w && attrs.blocks === of.attrs.blocks
}

/** w as [blocks, rows, d]. */
function inParts(g: Builder, name: string, { shape: [v, d] }: Value, blocks: number): string {
  return g.node('Reshape', [name, g.i64([blocks, v! / blocks, d!])])
}

/** The largest product of each row, Σ e^(product − largest), and, where it is asked for, the sum of the rows of w with these weights. */
function sumsOf(
  g: Builder,
  { inputs }: Value,
  { rows, weight, expects }: { readonly rows: string; readonly weight: string; readonly expects: boolean },
): string[] {
  const [n, d] = inputs.x!.shape as [number, number]
  const filled = (fill: number, width: number) => g.node('Expand', [g.f32(fill), g.i64([n, width])])
  const given = [rows, filled(LOWEST, 1), filled(0, 1), ...(expects ? [filled(0, d)] : [])]
  const [, ...made] = g.nodes('Scan', [...given, weight], given.length, { num_scan_inputs: 1, body: sumsBody(expects) })
  return made
}

const LOWEST = -3e38

function sumsBody(expects: boolean): Body {
  const last = { opType: 'Constant', inputs: [], outputs: ['last'], attrs: { value_ints: [-1] } }
  return {
    inputs: ['x', 'top', 'sums', ...(expects ? ['expected'] : []), 'block'],
    outputs: ['x_next', 'top_next', 'sums_next', ...(expects ? ['expected_next'] : [])],
    nodes: [
      last,
      { opType: 'Identity', inputs: ['x'], outputs: ['x_next'] },
      { opType: 'FusedMatMul', inputs: ['x', 'block'], outputs: ['products'], attrs: { transB: 1 } },
      { opType: 'ReduceMax', inputs: ['products', 'last'], outputs: ['highest'], attrs: { keepdims: 1 } },
      { opType: 'Max', inputs: ['top', 'highest'], outputs: ['top_next'] },
      { opType: 'Sub', inputs: ['products', 'top_next'], outputs: ['below'] },
      { opType: 'Exp', inputs: ['below'], outputs: ['weights'] },
      { opType: 'Sub', inputs: ['top', 'top_next'], outputs: ['risen'] },
      { opType: 'Exp', inputs: ['risen'], outputs: ['kept'] },
      { opType: 'ReduceSum', inputs: ['weights', 'last'], outputs: ['more'], attrs: { keepdims: 1 } },
      { opType: 'Mul', inputs: ['sums', 'kept'], outputs: ['sums_kept'] },
      { opType: 'Add', inputs: ['sums_kept', 'more'], outputs: ['sums_next'] },
      ...(expects
        ? [
            { opType: 'MatMul', inputs: ['weights', 'block'], outputs: ['rows'] },
            { opType: 'Mul', inputs: ['expected', 'kept'], outputs: ['expected_kept'] },
            { opType: 'Add', inputs: ['expected_kept', 'rows'], outputs: ['expected_next'] },
          ]
        : []),
    ],
  }
}

/** Products with a block lie the other way round, so that no left side is turned. */
const slopeBody: Body = {
  inputs: ['x', 'lse', 'by', 'block'],
  outputs: ['x_next', 'lse_next', 'by_next', 'slope'],
  nodes: [
    ...['x', 'lse', 'by'].map((name) => ({ opType: 'Identity', inputs: [name], outputs: [`${name}_next`] })),
    { opType: 'FusedMatMul', inputs: ['block', 'x'], outputs: ['products'], attrs: { transB: 1 } },
    { opType: 'Sub', inputs: ['products', 'lse'], outputs: ['logs'] },
    { opType: 'Exp', inputs: ['logs'], outputs: ['p'] },
    { opType: 'Mul', inputs: ['p', 'by'], outputs: ['q'] },
    { opType: 'MatMul', inputs: ['q', 'x'], outputs: ['slope'] },
  ],
}
