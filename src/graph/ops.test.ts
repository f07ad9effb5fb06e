import { describe, expect, it } from 'vitest'
import { centralDifference } from '../../test/central-difference.ts'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import { evaluate } from './evaluate.ts'
import { gradient } from './gradient.ts'
import { ops } from './ops/index.ts'
import { input, table } from './ops/leaf.ts'
import { sum } from './ops/reduce.ts'
import { sizeOf, type Tensor } from './tensor.ts'
import { apply, graph, type Op, type OpSample, type Value } from './value.ts'

// For every op × sample: `infer` equals the shape that `eval` returns, and `grad` equals central differences in f64, first and
// second order. Ops marked as declaring another gradient show the declared difference instead.

describe.each(ops.filter((op) => op.name !== 'input'))('$name', (op) => {
  const samples = op.samples(sampleRng(7))

  it.each(samples.map((sample, i) => [i, sample] as const))('sample %i: infer is the shape of eval', (_, sample) => {
    const { value, given } = trace(op, sample)
    const out = evaluate(graph(inputsOf(value), { y: value }), given).y!
    expect(out.shape).toEqual(value.shape)
    expect(out.dtype).toBe(value.dtype)
    expect(out.data.length).toBe(sizeOf(value.shape))
  })

  it.each(samples.map((sample, i) => [i, sample] as const))('sample %i: grad is the slope of eval, twice', (_, sample) => {
    const { value, given } = trace(op, sample)
    const inputs = inputsOf(value)
    const smooth = Object.entries(inputs).filter(([, x]) => x.dtype === 'f32')
    if (smooth.length === 0 || value.dtype !== 'f32' || op.mark) return // marked ops: the next test
    const first = weighted(value, 1)
    const slopes = gradient(first, Object.fromEntries(smooth) as Record<string, Value>)
    const once = graph(inputs, { y: first })
    const second = Object.entries(slopes)
      .map(([, slope], i) => weighted(slope, 2 + i))
      .reduce((a, b) => a.add(b))
    const twice = graph(inputs, { y: second })
    const curves = gradient(second, Object.fromEntries(smooth) as Record<string, Value>)
    for (const [name] of smooth) {
      const slope = evaluate(graph(inputs, { y: slopes[name]! }), given).y!
      const curve = evaluate(graph(inputs, { y: curves[name]! }), given).y!
      expectClose(slope, centralDifference(once, given, name), tolerances.firstDifference, `slope at ${name}`)
      expectClose(curve, centralDifference(twice, given, name), tolerances.secondDifference, `curve at ${name}`)
    }
  })
})

it('marked ops declare: stop passes nothing, straight-through passes all, step passes nothing', () => {
  const declared = Object.fromEntries(
    ops
      .filter((op) => op.mark)
      .map((op) => {
        const { value, given } = trace(op, op.samples(sampleRng(3))[0]!)
        const inputs = inputsOf(value)
        const slope = evaluate(graph(inputs, { y: gradient(sum(value), inputs.x!) }), given).y!
        const actual = centralDifference(graph(inputs, { y: sum(value) }), given, 'x')
        return [op.name, { declared: slope.data[0], derivative: Math.round(actual.data[0]! * 1e6) / 1e6 }]
      }),
  )
  expect(declared).toEqual({
    step: { declared: 0, derivative: 0 },
    stopGradient: { declared: 0, derivative: 1 },
    straightThrough: { declared: 1, derivative: 0 },
  })
})

function trace(op: Op, sample: OpSample<string, Record<string, unknown>>): { value: Value; given: Record<string, Tensor> } {
  const { attrs = {}, ...given } = sample as unknown as Record<string, Tensor> & { attrs?: Record<string, unknown> }
  const inputs = Object.fromEntries(Object.entries(given).map(([name, x]) => [name, input(name, x.shape, x.dtype)]))
  return { value: apply(op, inputs, attrs), given }
}

function inputsOf(value: Value): Record<string, Value> {
  return { ...value.inputs }
}

/** A scalar that depends on every entry of x in its own way, curved so that second orders show. */
function weighted(x: Value, seed: number): Value {
  const weights = sampleRng(seed).f32(x.shape)
  return sum(x.mul(table(weights)).add(x.mul(x).mul(0.3)))
}
