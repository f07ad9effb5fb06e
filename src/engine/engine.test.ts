import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { kernelTolerance, tolerances } from '../../test/tolerances.ts'
import {
  addRows,
  constant,
  evaluate,
  gradient,
  graph,
  input,
  linear,
  maximum,
  mean,
  silu,
  sqrt,
  sum,
  type Tensor,
  table,
  takeRows,
  tap,
  tensor,
  UserError,
  type Value,
  zeros,
} from '../graph/index.ts'
import { ops } from '../graph/ops/index.ts'
import { apply, op } from '../graph/value.ts'
import { openEngine } from './engine.ts'
import { toOnnx } from './lower.ts'
import { ModelProto } from './onnx-proto.ts'
import { sharedTensor } from './resident.ts'

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

describe('rows that many are added to lose none of them, in several threads', () => {
  it.each([
    ['into few rows', 8, 65_535, 48],
    ['into many', 3000, 2500, 288],
  ])('%s', async (_, rows, count, width) => {
    const several = openEngine({ threads: 4 })
    const given = { x: input('x', [rows, width]), index: input('index', [count], 'i32'), u: input('u', [count, width]) }
    const program = await several.compile(graph(given, { y: addRows(given.x, given.index, given.u) }))
    const data = {
      x: tensor(new Float32Array(rows * width), [rows, width]),
      index: tensor(
        Int32Array.from({ length: count }, (_, i) => i % 5),
        [count],
      ),
      u: tensor(new Float32Array(count * width).fill(1), [count, width]),
    }
    for (let run = 0; run < 5; run++) {
      const { y } = await program.run(data)
      // Whole numbers add up exactly.
      expect(y!.data.every((sum, i) => sum === (i < 5 * width ? count / 5 : 0))).toBe(true)
    }
    await several.close()
  })
})

it('an elementwise update in WebAssembly equals eval, and its square sum the sum of squares', async () => {
  const rng = sampleRng(11)
  const [x, m] = [input('x', [1003]), input('m', [1003])]
  const rate = input('rate', [])
  const next = m.mul(0.9).add(x.mul(0.1))
  const update = graph({ x, m, rate }, { x: x.sub(tap('scaled', next.mul(rate)).div(sqrt(maximum(next, 0.25)))), m: next })
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
  await expect(engine.compile(graph({ x }, { x: x.mul(2) }))).rejects.toThrow(
    'outputs and inputs must have different names, got x for both',
  )
})

describe('programs', () => {
  const x = input('x', [2])
  const doubled = graph({ x }, { y: x.mul(2) })
  const given = { x: tensor([1, 2], [2]) }

  it('graphs that are written alike share a session, which lives until the last of them closes', async () => {
    const a = await engine.compile(doubled)
    const other = input('x', [2])
    const b = await engine.compile(graph({ renamed: other }, { y: other.mul(2) }))
    await a.close()
    await a.close()
    expect(Array.from((await b.run({ renamed: given.x })).y!.data)).toEqual([2, 4])
    await b.close()
    await expect(b.run({ renamed: given.x })).rejects.toThrow('internal: engine could not run a graph')
  })

  it.each([true, false])('keep what they hold as it was, in a session of their own; packed: %s', async (pack) => {
    const [x, w] = [input('x', [3, 2]), input('w', [4, 2])]
    // One with many more rows than columns is turned when it is loaded.
    const tall = input('tall', [40, 2])
    const rows = tensor(
      Array.from({ length: 80 }, (_, i) => i % 7),
      [40, 2],
    )
    const traced = graph({ x, w, tall }, { y: linear(x, w), z: linear(x, tall), row: takeRows(w, table(tensor([2], [1], 'i32'))) })
    const place = await engine.allocate(tall)
    await engine.write(place, rows)
    const resident = await engine.allocate(w)
    const first = tensor([1, 2, 3, 4, 5, 6, 7, 8], [4, 2])
    await engine.write(resident, first)
    const held = { w: resident, tall: place }
    const [program, plain] = [await engine.compile(traced, { held, pack }), await engine.compile(traced)]
    const given = { x: tensor([1, 0, 0, 1, 1, 1], [3, 2]) }
    const want = evaluate(traced, { ...given, w: first, tall: rows })
    await engine.write(resident, tensor([0, 0, 0, 0, 0, 0, 0, 0], [4, 2]))
    for (const one of [resident, place]) await engine.release(one)
    const got = await program.run(given)
    for (const name of ['y', 'z', 'row']) expect(got[name]!.data, name).toEqual(Float32Array.from(want[name]!.data))
    expect([...(await plain.run({ ...given, w: tensor(new Float32Array(8), [4, 2]), tall: rows })).y!.data]).toEqual(new Array(12).fill(0))
    await expect(engine.compile(graph({ x, w: input('w', [1, 2]) }, { y: x }), { held })).rejects.toThrow(
      'compile: input w must be f32[1, 2], got f32[4, 2] to hold',
    )
    await program.close()
    await plain.close()
  })

  it('write outputs to shared memory, time and again, and return the others', async () => {
    const x = input('x', [3])
    const program = await engine.compile(graph({ x }, { double: x.mul(2), more: x.add(1) }))
    const double = sharedTensor({ dtype: 'f32', shape: [3] })
    const first = await program.run({ x: tensor([1, 2, 3], [3]) }, { double })
    expect(Object.keys(first)).toEqual(['more'])
    expect([...double.data]).toEqual([2, 4, 6])
    const second = await program.run({ x: tensor([4, 5, 6], [3]) }, { double })
    expect([...double.data]).toEqual([8, 10, 12])
    expect([[...first.more!.data], [...second.more!.data]]).toEqual([
      [2, 3, 4],
      [5, 6, 7],
    ])
    const given = { x: tensor([1, 2, 3], [3]) }
    await expect(program.run(given, { double: zeros([3]) })).rejects.toThrow(/output double is f32, .* must be a sharedTensor/)
    await expect(program.run(given, { double: sharedTensor({ dtype: 'i32', shape: [3] }) })).rejects.toThrow(/must be a sharedTensor/)
    await expect(program.run(given, { double: sharedTensor({ dtype: 'f32', shape: [4] }) })).rejects.toThrow(/output double is \[3\], got/)
    await program.close()
  })

  it('a closed program can be compiled again', async () => {
    await (await engine.compile(doubled)).close()
    const again = await engine.compile(doubled)
    expect(Array.from((await again.run(given)).y!.data)).toEqual([2, 4])
  })
})

describe('what goes wrong', () => {
  it('in ONNX Runtime while running: names the op and the tap', async () => {
    const [rows, index] = [input('rows', [4, 2]), input('index', [3], 'i32')]
    const program = await engine.compile(graph({ rows, index }, { y: tap('blocks.0.picked', takeRows(rows, index)).mul(2) }))
    const run = program.run({ rows: zeros([4, 2]), index: tensor(Int32Array.of(0, 9, 1), [3]) })
    await expect(run).rejects.toThrow(/^internal: engine could not run a graph in ONNX Runtime, got .*Gather.*blocks\.0\.picked.*idx=9/s)
  })

  it('in ONNX Runtime while loading: names the op and the tap, and nothing of it is kept', async () => {
    const x = input('x', [2])
    // An op that ONNX Runtime does not have.
    const odd = op<'x'>('odd', {
      infer: ({ x }) => x,
      eval: ({ x }) => x,
      onnx: ({ g, x }) => g.node('NoSuchOp', [x]),
      samples: () => [],
    })
    const traced = graph({ x }, { y: tap('blocks.0.odd', apply(odd, { x })).mul(2) })
    for (const _ of ['once', 'again']) {
      await expect(engine.compile(traced)).rejects.toThrow(/^internal: engine could not load a graph into ONNX Runtime, got .*NoSuchOp/s)
    }
  })

  it('with memory: says how much there is', async () => {
    const large = engine.allocate({ dtype: 'f32', shape: [5 * 2 ** 28] })
    await expect(large).rejects.toThrow(UserError)
    await expect(large).rejects.toThrow(/^engine: .* must fit in 4 GiB, got 5\.\d GiB; /)
  })

  it('with the thread: whoever waits is told, and so is whoever asks later', async () => {
    const short = openEngine({ threads: 1 })
    const waiting = short.allocate({ dtype: 'f32', shape: [1] })
    await Promise.all([expect(waiting).rejects.toThrow('internal: the engine was closed'), short.close()])
    await expect(short.allocate({ dtype: 'f32', shape: [1] })).rejects.toThrow('internal: the engine was closed')
  })
})

describe('a process with an engine', () => {
  const run = (body: string) => {
    const door = new URL('../../dist/engine/index.js', import.meta.url).href
    const words = new URL('../../dist/graph/index.js', import.meta.url).href
    const code = `import { openEngine } from ${JSON.stringify(door)}\nimport { graph, input, tensor } from ${JSON.stringify(words)}\n${body}`
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    return { status, signal, stdout, stderr }
  }
  const use = `const x = input('x', [2])
const program = await engine.compile(graph({ x }, { y: x.mul(2) }))
const { y } = await program.run({ x: tensor([1, 2], [2]) })
console.log(y.data.join(' '))`

  it.each([
    ['that is only opened', 'openEngine()', ''],
    ['that is used and left open', `const engine = openEngine()\n${use}`, '2 4\n'],
    ['that is used and closed', `const engine = openEngine()\n${use}\nawait engine.close()`, '2 4\n'],
  ])('%s ends by itself', (_, body, stdout) => {
    expect(run(body)).toEqual({ status: 0, signal: null, stdout, stderr: '' })
  })
})

describe('the portable form', () => {
  it('has standard operators alone, and computes what the running form does', async () => {
    const [x, weight] = [input('x', [3, 8]), input('weight', [8])]
    const scaled = x.mul(constant(1).div(sqrt(mean(x.mul(x), [-1]).add(1e-5)))).mul(weight)
    const y = silu(scaled)
    const traced = graph({ x, weight }, { y, slope: gradient(sum(y.mul(y)), x) })
    const running = operators(toOnnx(traced).bytes)
    expect(running).toContain('com.microsoft QuickGelu')
    expect(running).toContain(' SimplifiedLayerNormalization')
    expect(running).not.toContain(' Sqrt')
    const { bytes } = toOnnx(traced, { portable: true })
    expect(operators(bytes).filter((name) => !standard.has(name.slice(1)))).toEqual([])

    const rng = sampleRng(3)
    const given = { x: rng.f32([3, 8]), weight: rng.f32([8]) }
    const fused = await (await engine.compile(traced)).run(given)
    const session = await InferenceSession.create(bytes)
    const plain = await session.run(
      Object.fromEntries(
        Object.entries(given).map(([name, { data, shape }]) => [name, new OrtTensor('float32', data as Float32Array, shape)]),
      ),
    )
    for (const name of ['y', 'slope']) expectClose(fused[name]!.data, plain[name]!.data as Float32Array, tolerances.portable, name)
    await session.release()
  })

  it('every op is lowered to standard operators', () => {
    for (const one of ops) {
      for (const sample of one.samples(sampleRng(7))) {
        const { attrs = {}, ...given } = sample as unknown as Record<string, Tensor> & { attrs?: Record<string, unknown> }
        const inputs = Object.fromEntries(Object.entries(given).map(([name, t]) => [name, input(name, t.shape, t.dtype)]))
        const { bytes } = toOnnx(graph(inputs, { y: apply(one, inputs, attrs) }), { portable: true })
        expect(
          operators(bytes).filter((name) => !standard.has(name.slice(1))),
          one.name,
        ).toEqual([])
      }
    }
  })

  it('is what save writes', async () => {
    const x = input('x', [4])
    const program = await engine.compile(graph({ x }, { y: silu(x) }))
    const path = join(await mkdtemp(join(tmpdir(), 'innate-')), 'step.onnx')
    await program.save(path)
    expect(operators(await readFile(path))).toEqual([' Sigmoid', ' Mul'])
  })
})

/** `domain opType` of every node. */
function operators(bytes: Uint8Array): string[] {
  const { graph } = fromBinary(ModelProto, bytes) as unknown as { graph: { node: { domain: string; opType: string }[] } }
  return graph.node.map(({ domain, opType }) => `${domain} ${opType}`)
}

/** The operators of the ONNX standard, opset 21, that ops are lowered to. */
const standard = new Set(
  'Abs Add ArgMax Cast Concat Div Equal Erf Exp Expand Gather Identity Log MatMul Max Min Mul Neg Pad Range ReduceMax ReduceSum Reshape ScatterElements Sigmoid Sign Slice Softmax Sqrt Squeeze Sub Tanh TopK Transpose Unsqueeze'.split(
    ' ',
  ),
)
