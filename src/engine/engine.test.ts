import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { kernelTolerance, tolerances } from '../../test/tolerances.ts'
import { evaluate, graph, input, maximum, sqrt, type Tensor, tensor, type Value } from '../graph/index.ts'
import { ops } from '../graph/ops/index.ts'
import { sampleRng } from '../graph/sample-rng.ts'
import { apply } from '../graph/value.ts'
import { openEngine } from './engine.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

describe('ONNX Runtime equals eval, for every op × sample', () => {
  it.each(
    ops
      .filter((op) => op.name !== 'input')
      .flatMap((op) => op.samples(sampleRng(7)).map((sample, i) => [`${op.name} ${i}`, op, sample] as const)),
  )('%s', async (_, op, sample) => {
    const { attrs = {}, ...given } = sample as unknown as Record<string, Tensor> & { attrs?: Record<string, unknown> }
    const inputs: Record<string, Value> = Object.fromEntries(
      Object.entries(given).map(([name, x]) => [name, input(name, x.shape, x.dtype)]),
    )
    const traced = graph(inputs, { y: apply(op, inputs, attrs) })
    const want = evaluate(traced, given).y!
    const program = await engine.compile(traced)
    const { y } = await program.run(given)
    await program.close()
    expectClose(y!, want, kernelTolerance(op))
  })
})

it('an elementwise update in WebAssembly equals eval, and its square sum the sum of squares', async () => {
  const rng = sampleRng(11)
  const [x, m] = [input('x', [1003]), input('m', [1003])]
  const rate = input('rate', [])
  const next = m.mul(0.9).add(x.mul(0.1))
  const update = graph({ x, m, rate }, { x: x.sub(next.mul(rate).div(sqrt(maximum(next, 0.25)))), m: next })
  const given = { x: rng.f32([1003]), m: rng.f32([1003]), rate: tensor([0.3], []) }
  const want = evaluate(update, given)

  const [xs, ms] = [await engine.allocate(given.x), await engine.allocate(given.m)]
  await engine.write(xs, given.x)
  await engine.write(ms, given.m)
  const kernel = await engine.compileUpdate(update)
  const [squares] = await kernel.sumOfSquares([xs])
  expect(squares).toBeCloseTo(
    Array.from(given.x.data).reduce((total, v) => total + v * v, 0),
    9,
  )
  await kernel.apply([{ x: xs, m: ms }], { rate: given.rate.data[0]! })
  for (const [resident, name] of [
    [xs, 'x'],
    [ms, 'm'],
  ] as const) {
    expectClose(await engine.read(resident), want[name]!, tolerances.update, name)
  }
})

it('rows are picked and blocks copied where they belong', async () => {
  const [from, to] = [await engine.allocate({ dtype: 'f32', shape: [2, 3, 2] }), await engine.allocate({ dtype: 'f32', shape: [2, 2, 2] })]
  await engine.write(
    from,
    tensor(
      Array.from({ length: 12 }, (_, i) => i),
      [2, 3, 2],
    ),
  )
  await engine.pick(from, to, [2, 0], 2)
  expect(Array.from((await engine.read(to)).data)).toEqual([4, 5, 0, 1, 10, 11, 6, 7])
  await engine.copy(from, to, [
    { length: 1, fromStart: 1, toStart: 3, outer: { count: 2, from: 6, to: 4 }, inner: { count: 1, from: 0, to: 0 } },
  ])
  expect(Array.from((await engine.read(to)).data)).toEqual([4, 5, 0, 1, 10, 11, 6, 7].with(3, 1).with(7, 7))
})

it('a graph that is wrong at its door says which input, before anything runs', async () => {
  const x = input('x', [2, 3])
  const program = await engine.compile(graph({ x }, { y: x.mul(2) }))
  await expect(program.run({ x: tensor([1, 2], [2]) })).rejects.toThrow('run: input x must be f32[2, 3], got f32[2]')
})
