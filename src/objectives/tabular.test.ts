import { describe, expect, it } from 'vitest'
import {
  constant,
  evaluate,
  type Graph,
  gradient,
  graph,
  input,
  logSumExp,
  mean,
  softmax,
  table,
  takeRows,
  tensor,
  type Value,
} from '../graph/index.ts'
import { dpo, ipo, kto } from './index.ts'
import { type PairObjective, pairLosses } from './pairs.ts'
import { side } from './side.ts'

// Whole worlds that fit in a table: a softmax over a few completions, its reference, and every pair with its exact probability.
// Plain gradient descent on our graph must reach what the theorems say.

interface World {
  readonly reference: readonly number[]
  readonly pairs: readonly (readonly [chosen: number, rejected: number])[]
  /** Probability that the chosen side wins, one per pair. */
  readonly q: readonly number[]
}

describe('V-TAB-1: dpo recovers the posterior of V-KLRL-1', () => {
  const reference = [0.5, 0.3, 0.2]
  const r = [0, 1, 2]
  const beta = 0.5
  const posterior = [0.03666671, 0.16255943, 0.80077385]
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const
  const q = pairs.map(([w, l]) => 1 / (1 + Math.exp(r[l]! - r[w]!)))

  it('from exact Bradley–Terry probabilities, with kl 0.915475494 nats from the reference', () => {
    const { policy } = descend(dpo({ beta }), { reference, pairs, q }, { rate: 8, steps: 600 })
    for (const [i, p] of policy.entries()) expect(Math.abs(p - posterior[i]!)).toBeLessThan(1e-8)
    expect(divergence(policy, posterior)).toBeLessThan(1e-6)
    expect(divergence(policy, reference)).toBeCloseTo(0.915475494, 8)
  })

  it('and stays at the reference, to machine precision, when the reward is constant', () => {
    const { policy } = descend(dpo({ beta }), { reference, pairs, q: [0.5, 0.5, 0.5] }, { rate: 8, steps: 100 })
    for (const [i, p] of policy.entries()) expect(Math.abs(p - reference[i]!)).toBeLessThan(1e-14)
  })
})

it('dpo with a reference tilted by a prior reaches π0·exp((prior + reward)/β)/Z', () => {
  const [base, r, prior, beta] = [[0.5, 0.3, 0.2], [0, 1, 2], [0.7, -0.2, 0.1], 0.5]
  const normalized = (p: readonly number[]) => p.map((x) => x / p.reduce((a, b) => a + b))
  const reference = normalized(base.map((p, i) => p * Math.exp(prior[i]! / beta)))
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const
  const q = pairs.map(([w, l]) => 1 / (1 + Math.exp(r[l]! - r[w]!)))
  const { policy } = descend(dpo({ beta }), { reference, pairs, q }, { rate: 8, steps: 600 })
  const wanted = normalized(base.map((p, i) => p * Math.exp((prior[i]! + r[i]!) / beta)))
  for (const [i, p] of policy.entries()) expect(Math.abs(p - wanted[i]!)).toBeLessThan(1e-8)
})

describe('V-TAB-2: ipo stays finite', () => {
  it.each([
    [0.8, 3],
    [1, 5],
  ])('at preference probability %d the margin is %d', (p, D) => {
    const world = { reference: [0.5, 0.5], pairs: [[0, 1]], q: [p] } as const
    expect(descend(ipo({ beta: 0.1, form: 'sums' }), world, { rate: 0.1, steps: 200 }).margin).toBeCloseTo(D, 9)
  })
})

it('V-TAB-3: dpo diverges where every vote agrees: the margin grows with the logarithm of the steps, without a bound', () => {
  const world = { reference: [0.5, 0.5], pairs: [[0, 1]], q: [1] } as const
  const margins = [200, 400, 800, 1600].map((steps) => descend(dpo({ beta: 0.1 }), world, { rate: 100, steps }).margin)
  const growth = margins.slice(1).map((margin, i) => margin - margins[i]!)
  // β·margin ≈ log(steps) + c, so each doubling adds log(2)/β.
  for (const grown of growth) expect(Math.abs(grown - Math.LN2 / 0.1)).toBeLessThan(0.2)
  expect(margins.at(-1)).toBeGreaterThan(50)
})

it('kto, whose baseline is a constant to the gradient: good completions gain what bad ones lose', () => {
  const reference = [0.4, 0.3, 0.2, 0.1]
  const theta = input('theta', [4])
  const z0 = input('z0', [])
  const logp = logSoftmax(theta)
  const one = {
    ...side({ logp, reference: table(tensor(reference.map(Math.log), [4])), length: constant(1, [4]) }),
    label: labels([1, 1, 0, 0]),
  }
  const loss = mean(kto().perExample(one, z0))
  const g = graph({ theta, z0 }, { policy: softmax(theta), slope: gradient(loss, theta) })
  let weights = Float64Array.from(reference, Math.log)
  let policy = reference
  for (let step = 0; step < 200; step++) {
    const out = evaluate(g, { theta: tensor(weights, [4]), z0: tensor([0], []) })
    policy = [...out.policy!.data]
    weights = weights.map((w, i) => w - 10 * out.slope!.data[i]!)
  }
  expect(policy[0]).toBeGreaterThan(reference[0]!)
  expect(policy[1]).toBeGreaterThan(reference[1]!)
  expect(policy[2]! + policy[3]!).toBeLessThan(0.15)
})

/** Plain gradient descent in f64, from the reference, on the mean loss over the pairs. */
function descend(objective: PairObjective, world: World, { rate, steps }: { rate: number; steps: number }) {
  const g = trace(objective, world)
  let theta = Float64Array.from(world.reference, Math.log)
  for (let step = 0; step < steps; step++) {
    const { slope } = evaluate(g, { theta: tensor(theta, [theta.length]) })
    theta = theta.map((w, i) => w - rate * slope!.data[i]!)
  }
  const { policy, margin } = evaluate(g, { theta: tensor(theta, [theta.length]) })
  return { policy: [...policy!.data], margin: margin!.data[0]! }
}

function trace(objective: PairObjective, { reference, pairs, q }: World): Graph {
  const theta = input('theta', [reference.length])
  const logp = logSoftmax(theta)
  const fixed = table(tensor(Float64Array.from(reference, Math.log), [reference.length]))
  const at = (which: 0 | 1) => {
    const index = table(
      tensor(
        Int32Array.from(pairs, (pair) => pair[which]),
        [pairs.length],
      ),
    )
    return side({ logp: takeRows(logp, index), reference: takeRows(fixed, index), length: constant(1, [pairs.length]) })
  }
  const sides = { chosen: at(0), rejected: at(1) }
  const loss = mean(pairLosses(objective, sides, labels(q)))
  const margin = sides.chosen.logRatio.sub(sides.rejected.logRatio)
  return graph({ theta }, { policy: softmax(theta), margin, slope: gradient(loss, theta) })
}

function logSoftmax(theta: Value): Value {
  return theta.sub(logSumExp(theta))
}

function labels(values: readonly number[]): Value {
  return table(tensor(Float64Array.from(values), [values.length]))
}

function divergence(p: readonly number[], q: readonly number[]): number {
  return p.reduce((total, x, i) => total + x * Math.log(x / q[i]!), 0)
}
