import { describe, expect, it } from 'vitest'
import { centralDifference } from '../../test/central-difference.ts'
import { expectClose } from '../../test/close.ts'
import { randomGraph } from '../../test/random-graph.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import { evaluate } from './evaluate.ts'
import { gradient } from './gradient.ts'
import { exp, tanh } from './ops/elementwise.ts'
import { addRows } from './ops/indexing.ts'
import { constant, input, table } from './ops/leaf.ts'
import { linear, matmul } from './ops/linear.ts'
import { tap } from './ops/marks.ts'
import { softmax, sum } from './ops/reduce.ts'
import { broadcastTo, transpose } from './ops/shape.ts'
import { rules, simplify } from './simplify.ts'
import { sizeOf, tensor } from './tensor.ts'
import { ancestors, type Graph, graph, type Value } from './value.ts'

/** How many; with INNATE_GRAPHS=10000 it was seen to hold over so many. */
const count = Number(process.env.INNATE_GRAPHS ?? 150)
const seeds = Array.from({ length: count }, (_, seed) => seed)

describe(`over ${count} random graphs with their gradients and second gradients, a simplified graph`, { timeout: 3_600_000 }, () => {
  const exact = rules.filter((rule) => rule.exact)

  it('has the values of the one that was written, and every rule applies somewhere', () => {
    const applied = new Map(rules.map(({ name }) => [name, 0]))
    for (const seed of seeds) {
      const { graph, given } = randomGraph(seed)
      const simple = simplify(graph, { onRule: (name) => applied.set(name, applied.get(name)! + 1) })
      expectSame(simple, graph, given, seed)
    }
    expect([...applied].filter(([, times]) => times < 3)).toEqual([])
  })

  it('has the same bits where rules are marked as exact', () => {
    for (const seed of seeds) {
      const { graph, given } = randomGraph(seed)
      expect(evaluate(simplify(graph, { only: exact }), given), `graph ${seed}`).toEqual(evaluate(graph, given))
    }
  })

  it('takes no more arithmetic, products or in all, and comes to rest', () => {
    let saved = 0
    for (const seed of seeds) {
      const { graph } = randomGraph(seed)
      const [before, simple] = [arithmetic(simplify(graph, { only: exact.slice(0, 1) })), simplify(graph)]
      const after = arithmetic(simple)
      expect(after.products, `graph ${seed}: products`).toBeLessThanOrEqual(before.products)
      expect(after.products + after.other, `graph ${seed}`).toBeLessThanOrEqual(before.products + before.other)
      saved += before.products - after.products
      expect(rulesOf(simple), `graph ${seed}`).toEqual([])
    }
    expect(saved).toBeGreaterThan(count)
  })

  it('is the same with taps and without, but for their names', () => {
    let names = 0
    for (const seed of seeds) {
      const [tapped, plain] = [randomGraph(seed), randomGraph(seed, { taps: false })].map(({ graph }) => simplify(graph))
      expect(listed(tapped!), `graph ${seed}`).toEqual(listed(plain!))
      names += tapped!.taps.size
    }
    expect(names).toBeGreaterThan(count)
  })
})

describe('the slope at a value that a rule writes in another way is that of what was written', () => {
  type Make = (given: Readonly<Record<'p' | 'q' | 'b', Value>>) => Value
  const programs: readonly (readonly [string, Make, (w: Value, b: Value) => Value])[] = [
    ['a product of three matrices', ({ p, q }) => matmul(p, q), (w, b) => sum(matmul(w, b))],
    ['a curved one', ({ p, q }) => matmul(p, q), (w, b) => sum(tanh(matmul(w, b)))],
    ['a broadcast times a number', ({ p }) => broadcastTo(p, [6, 6]), (w) => sum(exp(w.mul(2)))],
    ['a broadcast plus a matrix', ({ p }) => broadcastTo(p, [6, 6]), (w, b) => sum(tanh(w.add(transpose(b))))],
    ['a factor for each row', ({ p, q }) => matmul(exp(p), q).mul(p), (w, b) => sum(tanh(matmul(w, b)))],
    ['a transpose of a transpose', ({ p }) => transpose(p), (w, b) => sum(tanh(transpose(w).mul(b)))],
    ['a turned product', ({ p, q, b }) => matmul(transpose(matmul(p, q)), b), (w, b) => sum(tanh(transpose(w).mul(transpose(b))))],
  ]
  it.each(programs)('%s', (_, make, f) => {
    const rng = sampleRng(11)
    const inputs = { p: input('p', [6, 1]), q: input('q', [1, 6]), b: input('b', [6, 1]) }
    const given = { p: rng.f32([6, 1]), q: rng.f32([1, 6]), b: rng.f32([6, 1]) }
    const w = make(inputs)
    const written = graph(inputs, { w, slope: gradient(f(w, inputs.b), w) })
    const at = input('w', w.shape)
    const found = evaluate(written, given)
    const want = centralDifference(graph({ w: at, b: inputs.b }, { y: f(at, inputs.b) }), { w: found.w!, b: given.b }, 'w')
    expect(want.data.some((slope) => Math.abs(slope) > 1e-3)).toBe(true)
    expectClose(found.slope!, want, tolerances.firstDifference)
    expectClose(evaluate(simplify(written), given).slope!, want, tolerances.firstDifference)
  })
})

describe('what several read is not computed twice', () => {
  const shapes = (inputs: Readonly<Record<string, Value>>, outputs: Readonly<Record<string, Value>>) =>
    ancestors(Object.values(simplify(graph(inputs, outputs)).outputs)).flatMap(({ op, shape }) => (op.name === 'matmul' ? [shape] : []))

  it('a product is taken apart where all who read it gain, or where one gains although others need it', () => {
    const inputs = { p: input('p', [40, 2]), q: input('q', [2, 30]), b: input('b', [30, 20]), c: input('c', [40, 20]) }
    const { p, q, b, c } = inputs
    const w = matmul(p, q)
    expect(shapes(inputs, { y: matmul(w, b) })).toEqual([
      [2, 20],
      [40, 20],
    ])
    expect(shapes(inputs, { y: matmul(w, b), z: matmul(transpose(w), c) })).not.toContainEqual(w.shape)
    expect(shapes(inputs, { y: matmul(w, b), w })).toHaveLength(3)
    expect(shapes(inputs, { y: matmul(w, b), z: tanh(w) })).toHaveLength(3)
  })

  it('a product stays whole where somebody needs it and its parts are no cheaper', () => {
    const inputs = { p: input('p', [8, 6]), q: input('q', [6, 9]), b: input('b', [9, 1]) }
    const { p, q, b } = inputs
    const y = matmul(matmul(p, q), b)
    expect(shapes(inputs, { y })).toEqual([
      [6, 1],
      [8, 1],
    ])
    expect(shapes(inputs, { y, z: sum(matmul(p, q)) })).toEqual([
      [8, 9],
      [8, 1],
    ])
  })

  it('rows are added into another value only where nobody else reads them', () => {
    const rows = addRows(constant(0, [3]), table(tensor([0, 2], [2], 'i32')), input('u', [2]))
    const other = input('other', [3])
    const adding = (y: Value) =>
      ancestors([simplify({ inputs: {}, outputs: { y } }).outputs.y!]).filter(({ op }) => op.name === 'addRows' || op.name === 'add').length
    expect([adding(rows.add(other)), adding(rows.add(other).mul(rows)), adding(rows.add(rows))]).toEqual([1, 2, 2])
  })
})

describe('taps', () => {
  it('keep their names in what is still computed, and lose them with what is not', () => {
    const [p, q, b] = [input('p', [6, 1]), input('q', [1, 6]), input('b', [6, 2])]
    const y = tap('twice', tap('y', tanh(tap('product', matmul(tap('w', matmul(p, q)), b)))))
    expect([...simplify(graph({ p, q, b }, { y })).taps.values()]).toEqual(['product', 'y'])
    const shown = simplify(graph({ p, q, b }, { y, shown: matmul(p, q) }))
    expect([...shown.taps.values()].sort()).toEqual(['product', 'w', 'y'])
  })

  it('in attention change nothing about what its gradient reads', () => {
    const [q, k, v] = [input('q', [2, 6, 3]), input('k', [2, 6, 3]), input('v', [2, 6, 3])]
    const step = (name: (tap: string, x: Value) => Value) => {
      const pattern = name('pattern', softmax(name('scores', matmul(q.mul(0.5), transpose(name('k', k))))))
      const mixed = matmul(pattern, name('v', v))
      return graph({ q, k, v }, gradient(sum(mixed.mul(mixed)), { dq: q, dk: k, dv: v }))
    }
    expect(listed(simplify(step(tap)))).toEqual(listed(simplify(step((_, x) => x))))
  })
})

it('equal values become one, and −0, NaN and infinity stay what they are', () => {
  const x = input('x', [])
  const y = graph({ x }, { a: x.div(constant(0)), b: x.div(constant(-0)), c: x.mul(constant(Number.NaN)), d: x.mul(constant(Infinity)) })
  const given = { x: tensor([1], []) }
  expect(evaluate(simplify(y), given)).toEqual(evaluate(y, given))
  expect(evaluate(simplify(y), given).b!.data[0]).toBe(-Infinity)
  expect(ancestors([simplify(graph({ x }, { y: x.mul(2).add(x.mul(2)) })).outputs.y!])).toHaveLength(4)
})

it('the gradient of a low-rank part takes no product as large as the weight', () => {
  const inputs = { x: input('x', [40, 30]), w: input('w', [20, 30]), a: input('a', [2, 30]), b: input('b', [20, 2]) }
  const { x, w, a, b } = inputs
  const y = linear(x, w.add(matmul(b, a).mul(0.5)))
  const written = graph(inputs, gradient(sum(y.mul(y)), { a, b }))
  const products = ancestors(Object.values(simplify(written).outputs)).filter(({ op }) => op.name === 'matmul')
  // b·a and x·wᵀ, and of the gradient x·aᵀ, dy·b and one product each: five with an axis of 2.
  expect(products.filter((p) => [...p.shape, p.inputs.a!.shape[1]].includes(2))).toHaveLength(5)
  expect(products).toHaveLength(6)
  const rng = sampleRng(5)
  const given = { x: rng.f32([40, 30]), w: rng.f32([20, 30]), a: rng.f32([2, 30]), b: rng.f32([20, 2]) }
  const [got, want] = [evaluate(simplify(written), given), evaluate(written, given)]
  for (const name of ['a', 'b']) expectClose(got[name]!, want[name]!, tolerances.reordered, name)
})

/** Every output as it is, but for the order of sums. */
function expectSame(simple: Graph, written: Graph, given: Parameters<typeof evaluate>[1], seed: number) {
  const [got, want] = [evaluate(simple, given), evaluate(written, given)]
  for (const name of Object.keys(written.outputs)) {
    const pairs = Array.from(want[name]!.data, (x, i) => [x, got[name]!.data[i]!] as const)
    const largest = Math.max(1, ...pairs.map(([x]) => Math.abs(x)))
    const off = Math.max(...pairs.map(([x, y]) => Math.abs(x - y)))
    expect(off / largest, `graph ${seed}, ${name}`).toBeLessThanOrEqual(tolerances.simplified.relative)
  }
}

/** Multiplications of products, and of other ops the numbers that they compute or read, whichever are more. */
function arithmetic({ outputs }: Graph): { products: number; other: number } {
  let [products, other] = [0, 0]
  for (const { op, inputs, shape } of ancestors(Object.values(outputs))) {
    const read = Object.values(inputs).map((input) => sizeOf(input.shape))
    if (op.name === 'matmul') products += sizeOf(shape) * inputs.a!.shape.at(-1)!
    else if (op.name === 'addRows') other += sizeOf(inputs.u!.shape)
    else if (!moves.has(op.name)) other += Math.max(sizeOf(shape), ...read)
  }
  return { products, other }
}
const moves = new Set('input constant table reshape transpose broadcastTo slice pad concat takeRows'.split(' '))

function rulesOf(graph: Graph): string[] {
  const applied: string[] = []
  simplify(graph, { onRule: (name) => applied.push(name) })
  return applied
}

/** What a graph computes, without its order: where there are taps, sums of several slopes come in another one. */
function listed({ outputs }: Graph): string[] {
  return ancestors(Object.values(outputs))
    .map(({ op, attrs, shape }) => `${op.name} ${attrs.name ?? ''} [${shape}]`)
    .sort()
}
