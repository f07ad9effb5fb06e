import { describe, expect, it } from 'vitest'
import { constant, evaluate, gradient, graph, input, sigmoid, tensor } from '../../graph/index.ts'

/** L(θ) = ½(θ − 3)² + A·σ(κ(θ − 1)), from θ = 0: a smooth tripwire on the way to the minimum. */
const logistic = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))
const value = (A: number, k: number, at: number) => (at - 3) ** 2 / 2 + A * logistic(k * (at - 1))
const slope = (A: number, k: number, at: number) => at - 3 + A * k * logistic(k * (at - 1)) * logistic(-k * (at - 1))

/** Where the slope is zero between two places of unlike sign. */
function root(A: number, k: number, low: number, high: number): number {
  const rising = slope(A, k, high) > 0
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2
    if (slope(A, k, middle) > 0 === rising) high = middle
    else low = middle
  }
  return (low + high) / 2
}

type Cell = { readonly A: number; readonly k: number }
const walls: readonly Cell[] = [{ A: 5, k: 50 }, { A: 5, k: 500 }, { A: 50, k: 50 }] // biome-ignore format: one line

describe('V-CLIFF-1: where a smooth tripwire stops descent', () => {
  it.each([
    [walls[0]!, { trap: 0.904704, L: 2.237395, curvature: 103.99, stable: 0.01923, top: 1.097255, Ltop: 6.77187, end: 5 }],
    [walls[1]!, { trap: 0.985756, L: 2.032622, curvature: 1006.5, stable: 0.00199, top: 1.014273, Ltop: 6.967581, end: 5 }],
    [walls[2]!, { trap: 0.858781, L: 2.335271, curvature: 107.88, stable: 0.01854, top: 1.144084, Ltop: 51.685067, end: 50 }],
  ])('%o', ({ A, k }, wanted) => {
    const [trap, top] = [root(A, k, 0, 1), root(A, k, 1, 2)]
    const curvature = (slope(A, k, trap + 1e-6) - slope(A, k, trap - 1e-6)) / 2e-6
    expect(trap).toBeCloseTo(wanted.trap, 6)
    expect(value(A, k, trap)).toBeCloseTo(wanted.L, 6)
    expect(Math.abs(curvature / wanted.curvature - 1)).toBeLessThan(1e-4)
    expect(2 / curvature).toBeCloseTo(wanted.stable, 5)
    expect(top).toBeCloseTo(wanted.top, 6)
    expect(value(A, k, top)).toBeCloseTo(wanted.Ltop, 5)
    expect(value(A, k, 3)).toBeCloseTo(wanted.end, 6)
  })

  it('the slope is that of the graph’s gradient', () => {
    const theta = input('theta', [])
    const off = theta.sub(3)
    const loss = off
      .mul(off)
      .div(2)
      .add(sigmoid(theta.sub(1).mul(50)).mul(constant(5)))
    const made = graph({ theta }, { slope: gradient(loss, theta) })
    for (const at of [0, 0.9, 1, 1.05, 2.5]) {
      const found = evaluate(made, { theta: tensor(Float64Array.of(at), []) }).slope!.data[0]!
      expect(Math.abs(found - slope(5, 50, at))).toBeLessThan(1e-10 * (1 + Math.abs(found)))
    }
  })
})

describe('V-CLIFF-2: small steps are stopped, large ones cross, and between them they bounce', () => {
  const rates = [0.001, 0.01, 0.05, 0.1, 0.3]
  const verdicts = [
    ['stuck', 'stuck', 'blocked', 'blocked', 'crosses'],
    ['stuck', 'blocked', 'crosses', 'crosses', 'crosses'],
    ['stuck', 'stuck', 'blocked', 'blocked', 'crosses'],
  ]
  it.each(walls.flatMap((wall, i) => rates.map((lr, k) => [wall.A, wall.k, lr, verdicts[i]![k]!] as const)))(
    'A %d, κ %d, rate %d: %s',
    (A, k, lr, verdict) => {
      const [trap, top] = [root(A, k, 0, 1), root(A, k, 1, 2)]
      for (let start = 0; start <= 20; start++) {
        let at = (start - 10) / 1000
        let highest = at
        for (let step = 0; step < 20_000; step++) {
          at -= lr * slope(A, k, at)
          highest = Math.max(highest, at)
        }
        const stuck = Math.abs(at - trap) < 1e-6
        expect(highest > top ? 'crosses' : stuck ? 'stuck' : 'blocked').toBe(verdict)
        if (verdict === 'crosses') expect(at).toBeCloseTo(3, 6)
      }
    },
  )
})
