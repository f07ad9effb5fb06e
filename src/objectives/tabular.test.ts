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
  reshape,
  softmax,
  stopGradient,
  sum,
  table,
  takeRows,
  tensor,
  type Value,
} from '../graph/index.ts'
import { bestOfNGain } from './best-of-n.ts'
import { gae } from './gae.ts'
import type { RewardedGroup } from './groups.ts'
import { bestOfN, dpo, grpo, ipo, kto, nashMd, onlineDpo, ppo, type RolloutObjective, raft, reinforce, rloo, xpo } from './index.ts'
import { type PairObjective, pairLosses } from './pairs.ts'
import type { RolloutSide } from './rollouts.ts'
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

describe('V-KLRL-1: policy gradients whose groups are all there is', () => {
  const reference = [0.5, 0.3, 0.2]
  const r = [0, 1, 2]
  const posterior = [0.03666671, 0.16255943, 0.80077385]
  const evenly = { reference, r }

  it.each<[string, RolloutObjective, Bandit & { readonly group?: number }]>([
    ['rloo', rloo({ beta: 0.5 }), { ...evenly, group: 2 }],
    ['reinforce', reinforce({ beta: 0.5, baseline: 'none' }), { ...evenly, group: 2 }],
    // The mean of two is half the completion itself, so the pull of the reward is half.
    ['reinforce against the mean of two', reinforce({ beta: 0.25 }), { ...evenly, group: 2 }],
    ['ppo', ppo({ beta: 0.5 }), { ...evenly, group: 2 }],
    ['onlineDpo', onlineDpo({ beta: 0.5, labels: 'soft' }), { ...evenly, group: 2 }],
    ['xpo', xpo({ beta: 0.5, alpha: 0, labels: 'soft' }), { ...evenly, group: 2 }],
  ])('%s reaches the posterior, with KL < 1e-4', (_, objective, world) => {
    const policy = ascend(objective, world, { rate: 2.5, steps: 300 })
    expect(divergence(policy, posterior)).toBeLessThan(1e-4)
  })

  it('grpo with k2 reaches the posterior of the reward in its own standard deviations; with k3 the other one, p = β·p_ref/(c − A)', () => {
    const beta = 1
    const spread = (policy: readonly number[]) => {
      const mean = policy.reduce((sum, p, i) => sum + p * r[i]!, 0)
      return { mean, sd: Math.sqrt(policy.reduce((sum, p, i) => sum + p * (r[i]! - mean) ** 2, 0)) }
    }
    const policy = ascend(grpo({ beta, kl: 'k2' }), evenly, { rate: 1, steps: 300 })
    const own = reference.map((p, i) => p * Math.exp(r[i]! / (beta * spread(policy).sd)))
    const total = own.reduce((a, b) => a + b)
    expect(divergence(policy, own.map((p) => p / total))).toBeLessThan(1e-4) // biome-ignore format: one line
    const other = ascend(grpo({ beta }), evenly, { rate: 1, steps: 300 })
    expect(divergence(other, policy)).toBeGreaterThan(1e-3)
    const { mean, sd } = spread(other)
    // c is one number: that which p_i·(c − A_i) = β·p_ref,i has for each i.
    const c = other.map((p, i) => (beta * reference[i]!) / p + (r[i]! - mean) / sd)
    for (const one of c) expect(Math.abs(one - c[0]!)).toBeLessThan(5e-3)
  })

  it.each([
    ['rloo', (beta: number) => rloo({ beta })],
    ['reinforce', (beta: number) => reinforce({ beta, baseline: 'none' })],
    ['ppo', (beta: number) => ppo({ beta })],
  ])('%s collapses onto the best as β goes to 0', (_, make) => {
    const entropies = [0.5, 0.2, 0.05].map((beta) => {
      const policy = ascend(make(beta), { ...evenly, group: 2 }, { rate: 2.5, steps: 300 })
      return -policy.reduce((sum, p) => sum + p * Math.log(p), 0)
    })
    expect(entropies[1]!).toBeLessThan(entropies[0]! / 4)
    expect(entropies[2]!).toBeLessThan(0.05)
  })

  const others = [rloo({ beta: 0.5 }), reinforce({ beta: 0.5 }), ppo({ beta: 0.5 }), grpo({ beta: 0.5 }), onlineDpo(), xpo({ alpha: 0, labels: 'soft' }), nashMd(), raft(), bestOfN()] // biome-ignore format: one line
  it.each(others.map((objective) => [objective.name, objective] as const))('%s: a constant reward moves nothing', (name, objective) => {
    const centredHere = name === 'reinforce' || name === 'grpo'
    const world = { reference, r: [1, 1, 1], ...(centredHere ? {} : { group: 2 }) }
    const policy = ascend(objective, world, { rate: 1.5, steps: 20 })
    for (const [i, p] of policy.entries()) expect(Math.abs(p - reference[i]!)).toBeLessThan(1e-12)
  })

  it('nashMd in self-play reaches the equilibrium of its game', () => {
    const beta = 0.2
    const policy = ascend(nashMd({ beta, mixture: 0 }), { ...evenly, group: 2 }, { rate: 6, steps: 400 })
    // The fixed point of p ∝ p_ref·exp(P(wins against p)/β), found by itself.
    let p = reference
    for (let i = 0; i < 3000; i++) {
      const wins = r.map((mine) => p.reduce((sum, q, k) => sum + q / (1 + Math.exp(r[k]! - mine)), 0))
      const next = reference.map((q, k) => q * Math.exp(wins[k]! / beta))
      const total = next.reduce((a, b) => a + b)
      p = p.map((q, k) => 0.9 * q + (0.1 * next[k]!) / total)
    }
    expect(divergence(policy, p)).toBeLessThan(1e-6)
  })

  it('V-BON-1: bestOfN has the best of four as its optimum, by its reward and by training on it', () => {
    const best = [0.0625, 0.3471, 0.5904]
    const at = [0.5, 0.8, 1]
    for (const [i, p] of reference.entries()) expect(p * Math.exp(bestOfNGain(at[i]!, at[i - 1] ?? 0, 4))).toBeCloseTo(best[i]!, 12)
    const policy = ascend(bestOfN({ n: 4 }), { ...evenly, many: 1000 }, { rate: 1, steps: 300 })
    expect(divergence(policy, best)).toBeLessThan(1e-4)
    expect(divergence(policy, reference)).toBeCloseTo(0.5597505604, 2)
  })
})

describe('V-GAE-1', () => {
  it('advantages and returns', () => {
    const { advantages, returns } = gae([0, 0, 1], [0.5, 0.6, 0.7], { gamma: 1, lambda: 0.95 })
    for (const [t, want] of [0.46575, 0.385, 0.3].entries()) expect(advantages[t]).toBeCloseTo(want, 12)
    for (const [t, want] of [0.96575, 0.985, 1].entries()) expect(returns[t]).toBeCloseTo(want, 12)
  })

  it('with λ = 1 the return is what came, whatever the critic says; with λ = 0 the advantage is one step of it', () => {
    const rewards = [0.1, -0.2, 1]
    const values = [3, -1, 2]
    expect(gae(rewards, values, { gamma: 1, lambda: 1 }).returns.map((x) => expect.closeTo(x, 12))).toEqual([0.9, 0.8, 1])
    expect(gae(rewards, values, { gamma: 1, lambda: 0 }).advantages).toEqual(
      [0.1 - 1 - 3, -0.2 + 2 + 1, 1 - 2].map((x) => expect.closeTo(x, 12)),
    )
  })
})

/** Completions of one token with their rewards; groups of two are all taken, each as often as it comes, else one group of a great many. */
interface Bandit {
  readonly reference: readonly number[]
  readonly r: readonly number[]
  readonly group?: number
  /** How many completions of the reference stand beside the policy's. */
  readonly many?: number
}

/** Gradient descent in f64 on the exact mean of an objective over its groups, sampled by the policy as it is. */
function ascend(
  objective: RolloutObjective,
  { reference, r, group, many = 0 }: Bandit,
  { rate, steps }: { rate: number; steps: number },
): number[] {
  const n = r.length
  const places = Array.from({ length: n }, (_, i) => i)
  const groups = group === 2 ? places.flatMap((i) => places.map((k) => [i, k])) : [places]
  const slots = groups.flat()
  const theta = input('theta', [n])
  const fed = { share: input('share', [slots.length]), better: input('better', [slots.length]), advantage: input('advantage', [slots.length]), weight: input('weight', [slots.length]), tokenAdvantage: input('tokenAdvantage', [slots.length, 1]) } // biome-ignore format: one line
  const index = (ids: readonly number[]) => table(tensor(Int32Array.from(ids), [ids.length]))
  const logp = takeRows(logSoftmax(theta), index(slots))
  const base = takeRows(labels(reference.map(Math.log)), index(slots))
  const logRatio = logp.sub(base)
  const token = (x: Value) => reshape(x, [slots.length, 1])
  const across = groups.flatMap((of, g) => of.map((_, k) => g * of.length + (of.length - 1 - k)))
  const completion = {
    ...{ logp, logRatio, length: constant(1, [slots.length]), tokenLogps: token(logp), referenceRatio: token(logRatio), ...fed },
    ...{
      tokenRatio: token(logp.sub(stopGradient(logp))),
      there: constant(1, [slots.length, 1]),
      against: takeRows(logRatio, index(across)),
    },
  } as unknown as RolloutSide
  const loss = sum(objective.perCompletion(completion).mul(fed.weight))
  const g = graph({ theta, ...fed }, { policy: softmax(theta), slope: gradient(loss, theta) })
  let weights = Float64Array.from(reference, Math.log)
  let policy = [...reference]
  for (let step = 0; step < steps; step++) {
    const made = groups.map((of) => madeOf(objective, of, { policy, reference, r, many }))
    const column = (name: 'share' | 'better' | 'advantage' | 'weight') =>
      tensor(Float64Array.from(made.flatMap((one) => one[name])), [slots.length])
    const advantages = tensor(Float64Array.from(made.flatMap(({ tokenAdvantage }) => tokenAdvantage)), [slots.length, 1])
    const given = { share: column('share'), better: column('better'), advantage: column('advantage'), weight: column('weight') }
    const { slope } = evaluate(g, { theta: tensor(weights, [n]), ...given, tokenAdvantage: advantages })
    weights = weights.map((w, i) => w - rate * slope!.data[i]!)
    const total = weights.reduce((a, w) => a + Math.exp(w), 0)
    policy = [...weights.map((w) => Math.exp(w) / total)]
  }
  return policy
}

/** What an objective makes of one group, and how often that is sampled. */
function madeOf(
  objective: RolloutObjective,
  of: readonly number[],
  { policy, reference, r, many }: Required<Omit<Bandit, 'group'>> & { readonly policy: readonly number[] },
) {
  const byReference = of.length === 2 ? objective.byReference(2) : 0
  const own = of.length - byReference
  const said = (p: readonly number[], ids: readonly number[]) => ids.map((i) => Math.log(p[i]!))
  const numbers = (ids: readonly number[], mine: number): RewardedGroup => ({
    ...{ rewards: ids.map((i) => r[i]!), own: mine, sampled: said(policy, ids), reference: said(reference, ids) },
    tokens: { lengths: ids.map(() => 1), sampled: said(policy, ids).map((x) => [x]), reference: said(reference, ids).map((x) => [x]) },
  })
  const alone = of.length !== 2
  // As many of each as the policy says, among a thousand.
  const crowd = alone && many === 0 ? of.flatMap((i) => Array<number>(Math.round(1000 * policy[i]!)).fill(i)) : []
  const beside = Array.from(reference, (p, i) => Array<number>(Math.round(many * p)).fill(i)).flat()
  const group = crowd.length > 0 ? numbers(crowd, crowd.length) : numbers([...of, ...beside], beside.length > 0 ? of.length : own)
  const all = objective.advantages(group)
  const advantage = of.map((i, k) => (crowd.length > 0 ? (all[crowd.indexOf(i)] ?? 0) : all[k]!))
  const parts = objective.matches?.(group)
  const chance = alone ? 1 : of.reduce((p, i, k) => p * (k < own ? policy[i]! : reference[i]!), 1)
  return {
    advantage,
    tokenAdvantage: objective.tokenAdvantages?.(group).slice(0, of.length).flat() ?? advantage,
    share: of.map((_, k) => parts?.[k]?.share ?? 1),
    better: of.map((_, k) => parts?.[k]?.label ?? 1),
    weight: of.map((i) => (alone ? policy[i]! : chance / (parts ? 1 : of.length))),
  }
}
