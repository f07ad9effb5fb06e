import { describe, expect, it } from 'vitest'
import { randomGraph } from '../../test/random-graph.ts'
import { faults } from './legal.ts'
import { mulOp } from './ops/elementwise.ts'
import { constantOp, input, table } from './ops/leaf.ts'
import { simplify } from './simplify.ts'
import { tensor } from './tensor.ts'
import { type Attrs, graph, type Op, Value } from './value.ts'

it('random graphs with their gradients are legal, as written and simplified', () => {
  for (let seed = 0; seed < 100; seed++) {
    const { graph } = randomGraph(seed)
    expect([...faults(graph), ...faults(simplify(graph))], `graph ${seed}`).toEqual([])
  }
})

describe('a graph is not legal where', () => {
  const x = input('x', [2])
  const raw = (op: Op, inputs: Readonly<Record<string, Value>>, attrs: Attrs, shape: readonly number[], dtype: 'f32' | 'i32' = 'f32') =>
    new Value(op, inputs, attrs, { dtype, shape })

  it.each<[string, Value, RegExp]>([
    ['a shape is not what the op infers', raw(mulOp, { a: x, b: x }, {}, [3]), /^mul \d+ f32\[3\] must be f32\[2\]$/],
    ['a dtype is not', raw(mulOp, { a: x, b: x }, {}, [2], 'i32'), /must be f32\[2\]$/],
    [
      'an op does not take its inputs',
      raw(mulOp, { a: x, b: table(tensor([1, 2, 3], [3])) }, {}, [2]),
      /is refused by its op: mul: axes must agree/,
    ],
    ['an attribute is no plain data', raw(constantOp, {}, { fill: 0, shape: [], why: () => 0 }, []), /has why, which is no plain data$/],
    ['a size is no whole number', raw(constantOp, {}, { fill: 0, shape: [0.5] }, [0.5]), /is of no dtype and shape$/],
  ])('%s', (_, y, wanted) => {
    expect(faults({ inputs: { x }, outputs: { y } })).toEqual([expect.stringMatching(wanted)])
  })

  it('a value reads one that is younger', () => {
    const a = x.mul(2)
    const y = a.add(1)
    Object.assign(a.inputs, { a: x.mul(3) })
    expect(faults({ inputs: { x }, outputs: { y } })).toEqual([expect.stringMatching(/^mul \d+ f32\[2\] reads a, which is younger$/)])
  })

  it('its inputs are not listed, are no inputs, or share a name', () => {
    const other = input('x', [2])
    const y = x.mul(other)
    expect(faults({ inputs: { x }, outputs: { y } })).toEqual(['input x f32[2] is not listed'])
    expect(faults(graph({ x, other }, { y }))).toEqual(['two inputs are called x'])
    expect(faults({ inputs: { x: y }, outputs: { y: x } })).toContainEqual(
      expect.stringMatching(/^mul \d+ f32\[2\] is listed as an input$/),
    )
  })
})
