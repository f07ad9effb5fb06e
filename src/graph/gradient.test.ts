import { describe, expect, it } from 'vitest'
import { centralDifference } from '../../test/central-difference.ts'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import { ShapeError } from './errors.ts'
import { evaluate } from './evaluate.ts'
import { gradient, gradientMarks, hessianVectorProduct, madeByGradient, unreached } from './gradient.ts'
import { exp, log, logSigmoid, maximum, tanh } from './ops/elementwise.ts'
import { takeRows } from './ops/indexing.ts'
import { input, table } from './ops/leaf.ts'
import { linear, matmul } from './ops/linear.ts'
import { stopGradient, straightThrough, tap, withGradient } from './ops/marks.ts'
import { logSumExp, softmax, sum } from './ops/reduce.ts'
import { transpose } from './ops/shape.ts'
import { sameShape, tensor } from './tensor.ts'
import { ancestors, graph } from './value.ts'

const rng = sampleRng(5)
const given = { w: rng.f32([3, 4]), u: rng.f32([4]), x: rng.f32([2, 4]) }

/** A small curved function of w and u in which values are used more than once. */
function curved() {
  const inputs = { w: input('w', [3, 4]), u: input('u', [4]), x: input('x', [2, 4]) }
  const { w, u, x } = inputs
  const h = tanh(linear(x.mul(u), w))
  const pattern = softmax(matmul(h, transpose(h)))
  const y = sum(logSumExp(matmul(pattern, h).add(h)))
    .add(sum(exp(u.mul(0.3)).mul(u)))
    .add(sum(logSigmoid(h.mul(h))))
  return { inputs, wrt: { w, u }, y }
}

describe('gradient', () => {
  const { inputs, wrt, y } = curved()

  it('is the slope where values are shared', () => {
    const slopes = evaluate(graph(inputs, gradient(y, wrt)), given)
    for (const name of ['w', 'u']) {
      expectClose(slopes[name]!, centralDifference(graph(inputs, { y }), given, name), tolerances.firstDifference, name)
    }
  })

  it('costs nothing for what is frozen', () => {
    const nodes = (some: Record<string, (typeof wrt)['w']>) => ancestors(Object.values(gradient(y, some))).filter(madeByGradient).length
    expect(nodes({ u: wrt.u })).toBeLessThan(nodes(wrt))
    expect(nodes({ w: wrt.w })).toBeLessThan(nodes(wrt))
    // A first layer that is frozen: nothing of it is visited.
    const [a, b] = [input('a', [4, 4]), input('b', [4, 4])]
    const deep = sum(tanh(linear(tanh(tanh(tanh(linear(inputs.x, a)))), b)))
    const last = ancestors([gradient(deep, b)]).filter(madeByGradient)
    expect(last.some((value) => value.inputs.b === a || value.inputs.a === a)).toBe(false)
    expect(last.length).toBeLessThan(ancestors([gradient(deep, a)]).filter(madeByGradient).length / 2)
  })

  it('is zeros for an input that the value does not read, or only behind a stop, and unreached names both', () => {
    const [x, stopped, apart] = [input('x', [2]), input('stopped', [2]), input('apart', [2])]
    const y = sum(x.mul(stopGradient(stopped.mul(2))))
    const slopes = gradient(y, { x, deep: { stopped, apart } })
    const given = { x: rng.f32([2]), stopped: rng.f32([2]), apart: rng.f32([2]) }
    const outputs = { x: slopes.x, stopped: slopes.deep.stopped, apart: slopes.deep.apart }
    const got = evaluate(graph({ x, stopped, apart }, outputs), given)
    expect(got.x!.data).toEqual(Float64Array.from(given.stopped.data, (v) => 2 * v))
    expect([...got.stopped!.data, ...got.apart!.data]).toEqual([0, 0, 0, 0])
    expect(unreached(y, { x, deep: { stopped, apart } })).toEqual(['deep.stopped', 'deep.apart'])
    expect(unreached(y, { x })).toEqual([])
  })

  it('refuses a value in between that y is not computed from, by its name', () => {
    const x = input('x', [2])
    const [used, unused] = [x.mul(2), x.mul(2)]
    const y = sum(used.mul(used))
    expect(() => gradient(y, { used, deep: { unused } })).toThrow(ShapeError)
    expect(() => gradient(y, { used, deep: { unused } })).toThrow(
      'gradient: y must be computed from each value of wrt, got deep.unused, mul f32[2], which y does not read; name the value that y reads',
    )
    expect(() => gradient(y, unused)).toThrow('got mul f32[2], which y does not read')
    expect(unreached(y, { used, deep: { unused } })).toEqual(['deep.unused'])
  })

  it('is zeros for an input among others', () => {
    const apart = input('apart', [2, 3])
    const slopes = gradient(y, { apart, u: wrt.u })
    const { apart: zero } = evaluate(graph({ ...inputs, apart }, slopes), { ...given, apart: rng.f32([2, 3]) })
    expect(zero).toEqual({ dtype: 'f32', shape: [2, 3], data: new Float64Array(6) })
  })

  it('keeps the form of what it is taken for', () => {
    const slopes = gradient(y, [{ deep: wrt.w }, wrt.u] as unknown as Record<string, { deep: typeof y }>)
    expect(Array.isArray(slopes)).toBe(true)
    expect(slopes[0]!.deep.shape).toEqual([3, 4])
  })

  it('starts from a dy where the value is no scalar, and says so where none is given', () => {
    const { w, x } = inputs
    const z = linear(x, w)
    const dy = table(tensor([1, 0, 0, 0, 0, 2], [2, 3]))
    const slope = evaluate(graph({ w, x }, { y: gradient(z, w, dy) }), given).y!
    const weighted = evaluate(graph({ w, x }, { y: gradient(sum(z.mul(dy)), w) }), given).y!
    expectClose(slope, weighted, tolerances.exact)
    expect(() => gradient(z, w)).toThrow('gradient: a scalar, or a dy of its shape, expected, got f32[2, 3] and dy f32[]')
  })
})

describe('hessianVectorProduct', () => {
  const { inputs, wrt, y } = curved()
  const v = { w: rng.f32([3, 4]), u: rng.f32([4]) }
  const directions = { w: table(v.w), u: table(v.u) }

  it('is the central difference of the gradient along v', () => {
    const product = evaluate(graph(inputs, hessianVectorProduct(y, wrt, directions)), given)
    const slopes = graph(inputs, gradient(y, wrt))
    const h = 1e-5
    const moved = (step: number) => {
      const at = (name: 'w' | 'u') => ({ ...given[name], data: Float64Array.from(given[name].data, (x, i) => x + step * v[name].data[i]!) })
      return evaluate(slopes, { ...given, w: at('w'), u: at('u') })
    }
    const [ahead, behind] = [moved(h), moved(-h)]
    for (const name of ['w', 'u'] as const) {
      const want = Float64Array.from(ahead[name]!.data, (a, i) => (a - behind[name]!.data[i]!) / (2 * h))
      expectClose(product[name]!.data, want, tolerances.secondDifference, name)
    }
  })

  it('is symmetric: v·(H u) = u·(H v)', () => {
    const other = { w: rng.f32([3, 4]), u: rng.f32([4]) }
    const dot = (a: Record<string, { data: ArrayLike<number> }>, b: Record<string, { data: ArrayLike<number> }>) =>
      ['w', 'u'].reduce((total, name) => Array.from(a[name]!.data).reduce((t, x, i) => t + x * b[name]!.data[i]!, total), 0)
    const hv = evaluate(graph(inputs, hessianVectorProduct(y, wrt, directions)), given)
    const hu = evaluate(graph(inputs, hessianVectorProduct(y, wrt, { w: table(other.w), u: table(other.u) })), given)
    expect(dot(hv, other)).toBeCloseTo(dot(hu, v), 10)
  })

  it('is zero where the scalar is linear, in all of its parameters or in one', () => {
    const [a, b] = [input('a', [2]), input('b', [2])]
    const v = { a: table(tensor([1, 2], [2])), b: table(tensor([3, 4], [2])) }
    const given = { a: rng.f32([2]), b: rng.f32([2]) }
    const flat = evaluate(graph({ a, b }, hessianVectorProduct(sum(a.add(b.mul(3))), { a, b }, v)), given)
    expect([...flat.a!.data, ...flat.b!.data]).toEqual([0, 0, 0, 0])
    const half = evaluate(graph({ a, b }, hessianVectorProduct(sum(a).add(sum(b.mul(b))), { a, b }, v)), given)
    expect([...half.a!.data, ...half.b!.data]).toEqual([0, 0, 6, 8])
    const doubled = b.mul(2) // not an input, and the slope does not read it
    expect([...evaluate(graph({ b }, { y: hessianVectorProduct(sum(doubled), doubled, v.b) }), given).y!.data]).toEqual([0, 0])
  })

  it('refuses a v of another form, by its name', () => {
    const [a, b] = [input('a', [2]), input('b', [2])]
    const y = sum(a.mul(b))
    const v = table(tensor([1, 2], [2]))
    expect(() => hessianVectorProduct(y, { a, b }, { a: v, b: sum(v) })).toThrow('v must have the form of wrt, got f32[] for b f32[2]')
    expect(() => hessianVectorProduct(y, { a, b }, { a: v } as never)).toThrow('got nothing for b f32[2]')
  })

  it('is A v for the quadratic xᵀAx / 2', () => {
    const a = [2, 1, 0, 1, 3, -1, 0, -1, 4]
    const x = input('x', [3])
    const product = hessianVectorProduct(sum(linear(x, table(tensor(a, [3, 3]))).mul(x)).mul(0.5), x, table(tensor([1, 2, 3], [3])))
    const got = evaluate(graph({ x }, { product }), { x: tensor([0.3, -0.7, 0.2], [3]) }).product!
    expect(Array.from(got.data)).toEqual([4, 4, 10])
  })
})

describe('withGradient', () => {
  const [a, b] = [input('a', [3]), input('b', [3])]
  const at = { a: rng.f32([3], 0.5, 2), b: rng.f32([3], 0.5, 2) }
  // log(a·b) by two logarithms, with the gradient of the product written out.
  const apart = withGradient(log(a).add(log(b)), { a, b }, ({ dy, a, b }) => ({ a: dy.div(a), b: dy.div(b) }))

  it('is y, with the backward that was written, which differentiates again', () => {
    const own = sum(apart.mul(apart))
    const plain = sum(log(a.mul(b)).mul(log(a.mul(b))))
    const both = (y: typeof own) => {
      const slope = gradient(y, { a, b })
      return evaluate(graph({ a, b }, { y, ...slope, curve: gradient(sum(slope.a.mul(slope.a)), b) }), at)
    }
    const [got, want] = [both(own), both(plain)]
    for (const name of ['y', 'a', 'b', 'curve']) expectClose(got[name]!, want[name]!, tolerances.reordered, name)
  })

  it('passes on what backward says, even where it is not the derivative, and reads y and parts that y is not made of', () => {
    const y = withGradient(a.mul(2), { b, a }, ({ dy, y }) => ({ b: dy.mul(y).mul(10) }))
    const slopes = evaluate(graph({ a, b }, gradient(sum(y), { a, b })), at)
    expect([...slopes.a!.data]).toEqual([0, 0, 0])
    expectClose(
      slopes.b!.data,
      Float64Array.from(at.a.data, (v) => 20 * v),
      tolerances.exact,
    )
    expect(unreached(sum(y), { a, b })).toEqual(['a'])
    expect(gradientMarks(graph({ a, b }, { y })).map(({ op, why }) => [op, why])).toEqual([
      ['withGradient', 'declared: the gradient is what was written for this value'],
    ])
  })

  it('refuses a slope of another shape, a slope for no part, and parts with a name of its own', () => {
    const wrong = withGradient(a, { a }, ({ dy }) => ({ a: sum(dy) }))
    expect(() => gradient(sum(wrong), a)).toThrow('withGradient: backward must return the shape of a part, got a f32[] for f32[3]')
    const strange = withGradient(a, { a }, ({ dy }) => ({ c: dy }) as never)
    expect(() => gradient(sum(strange), a)).toThrow('got c f32[3], which is none')
    expect(() => withGradient(a, { dy: a }, () => ({}))).toThrow('withGradient: parts named other than y and dy expected, got dy')
  })
})

describe('gradientMarks', () => {
  it('finds every place whose gradient is declared, with its reason, without running anything', () => {
    const x = input('x', [3])
    const index = input('index', [2], 'i32')
    const rounded = straightThrough(x, stopGradient(x.mul(2)))
    const y = sum(tap('picked', takeRows(rounded, index)))
    const traced = graph({ x, index }, { y })
    expect(gradientMarks(traced).map(({ op, why, value }) => [op, why, value.shape])).toEqual([
      ['stopGradient', 'stop: the gradient is zero by declaration', [3]],
      ['straightThrough', 'straight-through: the gradient is that of another value', [3]],
    ])
  })

  it('the threshold in the gradient of a maximum is one, the maximum itself is not', () => {
    const x = input('x', [3])
    const y = sum(maximum(x, 0))
    expect(gradientMarks(graph({ x }, { y }))).toEqual([])
    const marks = gradientMarks(graph({ x }, { y, slope: gradient(y, x) }))
    expect(marks.map(({ op, value }) => [op, madeByGradient(value)])).toEqual([['step', true]])
  })

  it('a smooth function has none, however often it is differentiated', () => {
    const { inputs, wrt, y } = curved()
    const { w, u } = hessianVectorProduct(y, wrt, wrt)
    expect(sameShape(w.shape, wrt.w.shape) && sameShape(u.shape, wrt.u.shape)).toBe(true)
    expect(gradientMarks(graph(inputs, { y, w, u }))).toEqual([])
  })
})
