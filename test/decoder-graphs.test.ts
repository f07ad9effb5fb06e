import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../src/checkpoints/checkpoint.ts'
import { type Engine, openEngine, type Program } from '../src/engine/index.ts'
import {
  evaluate,
  faults,
  type Graph,
  gradient,
  graph,
  hessianVectorProduct,
  input,
  isTensor,
  leaves,
  simplify,
  type Tensor,
} from '../src/graph/index.ts'
import { freshAdapters } from '../src/models/index.ts'
import { dpo } from '../src/objectives/index.ts'
import { type Batch, openPolicy, type Policy, packTrees, rowTensors, sampleCompletions, scoreTrees, shapeOf } from '../src/policy/index.ts'
import { traceFinite, traceStep } from '../src/train/index.ts'
import { sampleRng } from './sample-rng.ts'
import { tolerances } from './tolerances.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const model = await loadCheckpoint('fixtures/llama-tiny')
const policy = await openPolicy(engine, model)
const weights = Object.fromEntries(leaves(model.params, isTensor).map(([path, x]) => [`params.${path}`, x]))

/** A DPO step of one pair in tokens, and what it reads. */
function pairStep(policy: Policy) {
  const trees = [
    { prompt: [5, 9, 4], completions: [[11, 12, 1]] },
    { prompt: [5, 9, 4], completions: [[20, 8]] },
  ]
  const [{ rows }] = packTrees(trees, { contextLength: 16 }) as [Batch]
  const traced = traceStep({ policy, objective: dpo({ beta: 0.5 }), shape: shapeOf(rows), examples: 1 })
  const rng = sampleRng(3)
  const known: Readonly<Record<string, Tensor | undefined>> = { ...weights, ...rowTensors(rows) }
  const given = Object.fromEntries(
    Object.entries(traced.graph.inputs).map(([name, { shape }]) => [name, known[name] ?? rng.f32(shape, 0.5, 1.5)]),
  )
  return { ...traced, given }
}

describe('graphs as they are traced, and as they are run, are legal', () => {
  it('training steps, of all parameters and of adapters with dropout, and the question where a number is not finite', async () => {
    const adapters = { ...freshAdapters(model.config, { rank: 2, alpha: 4, seed: 0 }), dropout: 0.1 }
    for (const one of [policy, await openPolicy(engine, model, adapters)]) {
      const traced = pairStep(one)
      for (const graph of [traced.graph, traceFinite(traced)]) expect([...faults(graph), ...faults(simplify(graph))]).toEqual([])
    }
  })

  it('everything that scoring and sampling compile', async () => {
    const compiled: Graph[] = []
    const noting: Engine = {
      ...engine,
      compile(graph, options) {
        compiled.push(graph)
        return engine.compile(graph, options)
      },
    }
    const one = await openPolicy(noting, model)
    await scoreTrees(one, [{ prompt: [5, 9, 4], completions: [[11, 12, 1], [20]] }])
    await sampleCompletions(one, [[5, 9, 4]], { perPrompt: 2, maxTokens: 3, seed: 1, eosIds: [] })
    // Scoring, reading a prompt, and a step.
    expect(compiled.length).toBeGreaterThanOrEqual(3)
    for (const graph of compiled) expect([...faults(graph), ...faults(simplify(graph))]).toEqual([])
  })
})

it('a training step that ONNX Runtime runs simplified has the numbers of the one that was written, by the evaluator', async () => {
  const { graph, given } = pairStep(policy)
  const want = evaluate(graph, given)
  const program = await engine.compile(graph)
  const got = await program.run(given)
  await program.close()
  for (const name of Object.keys(want)) expect(distance(got[name]!, want[name]!), name).toBeLessThan(tolerances.runAsWritten.relative)
})

describe('the Hessian times a direction, over all parameters of a decoder, is the difference of gradients along it', () => {
  const { graph: traced, loss, given } = pairStep(policy)
  const rng = sampleRng(8)
  const names = Object.keys(weights)
  const direction = Object.fromEntries(names.map((name) => [name, rng.f32(weights[name]!.shape, -0.1, 0.1)]))
  const along = Object.fromEntries(names.map((name) => [name, input(`along.${name}`, weights[name]!.shape)]))
  const params = Object.fromEntries(names.map((name) => [name, traced.inputs[name]!]))
  const slopes = graph(traced.inputs, named('slope', gradient(loss, params)))
  const product = graph({ ...traced.inputs, ...named('along', along) }, named('product', hessianVectorProduct(loss, params, along)))
  const at = (step: number) =>
    Object.fromEntries(
      names.map((name) => {
        const { data } = direction[name]!
        return [name, { ...weights[name]!, data: Float64Array.from(weights[name]!.data, (x, i) => x + step * data[i]!) }]
      }),
    )
  /** The derivative of the gradient along the direction, to the fourth order in h, and the product, each as one list. */
  async function compared(run: (graph: Graph, more: Readonly<Record<string, Tensor>>) => Promise<Record<string, Tensor>>, h: number) {
    const found = await Promise.all([-2, -1, 1, 2].map((step) => run(slopes, { ...given, ...at(step * h) })))
    const [before2, before, after, after2] = found.map((each) => listed(each, 'slope')) as [number[], number[], number[], number[]]
    const want = after.map((x, i) => (8 * (x - before[i]!) - (after2[i]! - before2[i]!)) / (12 * h))
    const got = listed(await run(product, { ...given, ...named('along', direction) }), 'product')
    return distance({ data: got }, { data: want })
  }
  const listed = (found: Readonly<Record<string, Tensor>>, prefix: string) =>
    names.flatMap((name) => Array.from(found[`${prefix}.${name}`]!.data))

  it('by the evaluator, in f64', async () => {
    const off = await compared(async (graph, given) => evaluate(graph, given), 1e-3)
    expect(off).toBeLessThan(tolerances.hessianInDouble.relative)
  })

  it('in ONNX Runtime, in f32', async () => {
    const programs = new Map<Graph, Program>()
    for (const each of [slopes, product]) programs.set(each, await engine.compile(each))
    const off = await compared((graph, given) => programs.get(graph)!.run(floats(given)), 1e-2)
    expect(off).toBeLessThan(tolerances.hessianInFloat.relative)
  })
})

function named<T>(prefix: string, each: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(each).map(([name, x]) => [`${prefix}.${name}`, x]))
}

/** ‖got − want‖ / ‖want‖ */
function distance(got: { readonly data: ArrayLike<number> }, want: { readonly data: ArrayLike<number> }): number {
  const length = (f: (i: number) => number) => Math.sqrt(Array.from(want.data, (_, i) => f(i) ** 2).reduce((a, b) => a + b, 0))
  return length((i) => got.data[i]! - want.data[i]!) / length((i) => want.data[i]!)
}

function floats(given: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(given).map(([name, x]) => [name, x.dtype === 'f32' ? { ...x, data: Float32Array.from(x.data) } : x]),
  )
}
