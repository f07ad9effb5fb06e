import { afterAll, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import {
  concat,
  evaluate,
  type Graph,
  gradient,
  graph,
  input,
  matmul,
  silu,
  slice,
  softmax,
  sum,
  transpose,
  type Value,
} from '../graph/index.ts'
import { openEngine } from './engine.ts'
import { toOnnx } from './lower.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

const product = (a: Value, b: Value) => sum(a.mul(b))

const composites: readonly (readonly [string, Readonly<Record<string, number>>, Graph])[] = [
  ['SiLU and its gradient', { QuickGelu: 1, Sub: 1 }, withSlopes({ x: [3, 8], w: [3, 8] }, ({ x, w }) => product(silu(x), w))],
  ...([1, 2] as const).map(
    (rows) =>
      [
        `halves turned by angles, and back, with ${rows} row of angles for 2`,
        { RotaryEmbedding: 2, Slice: 0, Concat: 0, Pad: 0 },
        withSlopes({ x: [2, 3, 4, 8], w: [2, 3, 4, 8] }, ({ x, w, cos, sin }) => product(turned(x, cos, sin), w), {
          cos: [rows, 1, 4, 4],
          sin: [rows, 1, 4, 4],
        }),
      ] as const,
  ),
  [
    'attention: numbers and right transposes are part of a product, the pattern’s gradient reads what attention gave',
    { FusedMatMul: 3 },
    withSlopes({ q: [2, 6, 3], k: [2, 6, 3], v: [2, 6, 3] }, ({ q, k, v }) => {
      const mixed = matmul(softmax(matmul(q.mul(0.5), transpose(k))), v)
      return product(mixed, mixed)
    }),
  ],
]

it.each(composites)('%s', async (_, nodes, traced) => {
  const written = toOnnx(traced).nodes
  for (const [opType, count] of Object.entries(nodes)) expect(written[opType] ?? 0, opType).toBe(count)
  const rng = sampleRng(5)
  const given = Object.fromEntries(Object.entries(traced.inputs).map(([name, { shape }]) => [name, rng.f32(shape)]))
  const got = await (await engine.compile(traced)).run(given)
  const want = evaluate(traced, given)
  for (const name of Object.keys(traced.outputs)) expectClose(got[name]!, want[name]!, tolerances.portable, name)
})

it('graphs that differ in sizes and constants alone are one file, with numbers of their own', async () => {
  const [small, large] = [2, 5].map((n) => withSlopes({ x: [n, 8], w: [n, 8] }, ({ x, w }) => product(silu(x), w).mul(1 / n)))
  expect(toOnnx(small!).bytes).toEqual(toOnnx(large!).bytes)
  expect(toOnnx(small!).numbers).not.toEqual(toOnnx(large!).numbers)
  expect(toOnnx(small!, { portable: true }).bytes).not.toEqual(toOnnx(large!, { portable: true }).bytes)
})

function turned(x: Value, cos: Value, sin: Value): Value {
  const half = x.shape[3]! / 2
  const [left, right] = [slice(x, 3, 0, half), slice(x, 3, half, 2 * half)]
  return concat([left.mul(cos).sub(right.mul(sin)), right.mul(cos).add(left.mul(sin))], 3)
}

function withSlopes<K extends string, F extends string = never>(
  shapes: Readonly<Record<K, readonly number[]>>,
  f: (inputs: Record<K | F, Value>) => Value,
  fixed = {} as Readonly<Record<F, readonly number[]>>,
): Graph {
  const made = (all: Readonly<Record<string, readonly number[]>>) =>
    Object.fromEntries(Object.entries(all).map(([name, shape]) => [name, input(name, shape)]))
  const [wrt, rest] = [made(shapes), made(fixed)]
  const y = f({ ...wrt, ...rest } as Record<K | F, Value>)
  const slopes = gradient(y, wrt)
  return graph({ ...wrt, ...rest }, { y, ...Object.fromEntries(Object.entries(slopes).map(([name, slope]) => [`slope.${name}`, slope])) })
}
