import { expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import { evaluate } from './evaluate.ts'
import { gradient } from './gradient.ts'
import { sigmoid } from './ops/elementwise.ts'
import { input } from './ops/leaf.ts'
import { linear, matmul } from './ops/linear.ts'
import { softmax, sum } from './ops/reduce.ts'
import { reshape, transpose } from './ops/shape.ts'
import { splitGraph } from './split.ts'
import type { Tensor } from './tensor.ts'
import { ancestors, type Graph, graph } from './value.ts'

const R = 3
const options = { late: ['dy'], early: ['x'], rows: R }

/** A gated map, attention and a norm, rows laid flat on the way; its slope at x for a dy, and what does not wait for dy. */
function wayBack(): Graph {
  const inputs = { x: input('x', [R, 2, 4]), w: input('w', [4, 4]), bias: input('bias', [2, 1]), dy: input('dy', [R, 2, 4]) }
  const { x, w, bias, dy } = inputs
  const flat = linear(reshape(x, [R * 2, 4]), w)
  const gated = reshape(flat.mul(sigmoid(flat)), [R, 2, 4])
  const mixed = matmul(softmax(matmul(gated, transpose(x))), gated).add(bias)
  const y = mixed.div(sum(mixed.mul(mixed), [-1]).add(1))
  return graph(inputs, { slope: gradient(y, { x }, dy).x, y: y.mul(1), w: w.mul(2) })
}

/** The same numbers in all rows. */
function repeated({ dtype, shape, data }: Tensor): Tensor {
  const one = [...data.slice(0, data.length / R)]
  return { dtype, shape, data: Float64Array.from([...one, ...one, ...one]) }
}

it('a graph in two computes what it did in one, for every run of the second', () => {
  const whole = wayBack()
  const { first, second } = splitGraph(whole, options)
  const rng = sampleRng(1)
  const given = { x: repeated(rng.f32([R, 2, 4])), w: rng.f32([4, 4]), bias: rng.f32([2, 1]) }
  const kept = evaluate(first, given)
  for (let run = 0; run < 2; run++) {
    const dy = rng.f32([R, 2, 4])
    const found = evaluate(second, { ...given, ...kept, dy })
    for (const [name, wanted] of Object.entries(evaluate(whole, { ...given, dy }))) {
      expect(found[name]!.shape).toEqual(wanted.shape)
      expectClose(found[name]!.data, wanted.data, tolerances.golden, name)
    }
  }
})

it('the second part has nothing of the pass forward, and one row of it is kept', () => {
  const { first, second } = splitGraph(wayBack(), options)
  expect(Object.keys(first.inputs)).toEqual(['x', 'w', 'bias'])
  const ops = new Set(ancestors([second.outputs.slope!]).map(({ op }) => op.name))
  expect(['sigmoid', 'softmax', 'exp'].filter((name) => ops.has(name))).toEqual([])
  for (const [name, { shape }] of Object.entries(first.outputs)) expect([1, 2], name).toContain(shape[0])
})

it('what cannot be kept by rows is told', () => {
  const [x, dy] = [input('x', [2]), input('dy', [2])]
  expect(() => splitGraph(graph({ x, dy }, { y: x.mul(x).mul(dy) }), options)).toThrow(/a first axis of 3 rows expected, got f32\[2\]/)
})
