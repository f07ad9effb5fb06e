import { fromBinary } from '@bufbuild/protobuf'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import {
  broadcastTo,
  constant,
  evaluate,
  type Graph,
  graph,
  input,
  linear,
  mean,
  reshape,
  slice,
  table,
  takeRows,
  tap,
  tensor,
  type Value,
} from '../graph/index.ts'
import { ModelProto } from './onnx-proto.ts'
import { openOnnx } from './open-onnx.ts'

type Sizes = Record<'rows' | 'length', number>
const at = [
  { rows: 5, length: 7 },
  { rows: 11, length: 13 },
] as const

/** Ids to rows of a table, two heads, a product, a slice as long as the rows: what a decoder does with sizes. */
function traced({ rows: R, length: T }: Sizes): Graph {
  const [ids, weight] = [input('ids', [R, T], 'i32'), input('weight', [4, 6])]
  const x = takeRows(table(tensor(Array.from({ length: 60 }, (_, i) => Math.sin(i)), [10, 6])), ids) // biome-ignore format: one line
  const y = tap('written', linear(x, weight))
  const heads = reshape(y, [R, T * 2, 2]).add(broadcastTo(constant(0.5, [1, 2]), [T * 2, 2]))
  const places = slice(table(tensor(Float32Array.from({ length: 64 }, (_, i) => i), [64])), 0, 0, T) // biome-ignore format: one line
  return graph({ ids, weight }, { heads, summed: y.add(reshape(places, [T, 1])) })
}

describe('openOnnx', () => {
  const rng = sampleRng(5)
  const weight = rng.f32([4, 6])
  const { pieces, byteLength } = openOnnx(traced, at, { weight })
  const bytes = Buffer.concat(pieces)

  it.each([
    [1, 1],
    [2, 9],
    [7, 5],
  ])('one file computes %i rows of %i', async (rows, length) => {
    const ids = rng.index([rows, length], 10)
    const want = evaluate(traced({ rows, length }), { ids, weight })
    const session = await InferenceSession.create(bytes)
    const got = await session.run({ ids: new OrtTensor('int64', BigInt64Array.from(ids.data as Int32Array, BigInt), [rows, length]) })
    for (const name of ['heads', 'summed']) {
      expect(got[name]!.dims).toEqual(want[name]!.shape)
      expectClose(got[name]!.data as Float32Array, want[name]!.data, tolerances.kernel, name)
    }
    await session.release()
  })

  it('names sizes and taps, and holds the weights, in their own memory until it is written', () => {
    const { graph } = fromBinary(ModelProto, bytes) as unknown as { graph: Record<'node' | 'input' | 'initializer', { name: string }[]> }
    expect(graph.input.map(({ name }) => name)).toEqual(['ids'])
    expect(JSON.stringify(graph.input, (_, x) => (typeof x === 'bigint' ? Number(x) : x))).toMatch(/"rows".*"length"/)
    expect(graph.node.map(({ name }) => name)).toContain('written')
    expect(graph.initializer.map(({ name }) => name)).toContain('weight')
    expect(pieces.some(({ buffer }) => buffer === weight.data.buffer)).toBe(true)
    expect(byteLength).toBe(bytes.length)
  })

  const of = (shape: readonly number[], make: (x: Value) => Value) => {
    const x = input('x', shape)
    return graph({ x }, { y: make(x) })
  }
  it.each<[string, (sizes: Sizes) => Graph]>([
    ['a mean over a size', ({ rows, length }) => of([rows, length], (x) => mean(x, [1]))],
    ['a table as long as a size', ({ length }) => of([length], (x) => x.add(table(tensor(new Float32Array(length), [length]))))],
    ['a number that is a multiple of a size', ({ rows }) => of([rows, 14, 3], (x) => reshape(x, [rows, 42]))],
    ['a size that no input has', ({ length }) => of([1, 3], (x) => broadcastTo(x, [length, 3]))],
  ])('tells what it cannot tell: %s', (_, trace) => {
    expect(() => openOnnx(trace, at, {})).toThrow(/^internal: /)
  })
})
