import fc from 'fast-check'
import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { evidenceBits } from '../../test/beta.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { contribution, fightingGoals } from './contribution.ts'
import { goals } from './index.ts'
import { sigmoid } from './likelihood.ts'
import { posteriorOf, predict } from './posterior.ts'
import { prequentialBits } from './prequential.ts'
import { goalPrior } from './prior.ts'
import { normalQuantile } from './special-functions.ts'
import type { VotedPair } from './voted-pair.ts'

const unit = { mean: [0], variance: [1] }
const four = [goals.kind, goals.complete, goals.fluent, goals.onPrompt]

describe('posterior', () => {
  it('V-LAPLACE-1: one vote on x = 1 under N(0, 1)', () => {
    const posterior = posteriorOf(unit, [{ x: [1], votes: [1, 0] }])
    expect(posterior.mean[0]).toBeCloseTo(0.4010581375, 9)
    expect(posterior.precision.get(0, 0)).toBeCloseTo(1.2402105079, 9)
    expect(posterior.covariance.get(0, 0)).toBeCloseTo(0.8063147294, 9)
    expect(predict(posterior, [1])).toBeCloseTo(0.5865015529, 9)
    expect(Math.abs(predict(posterior, [1]) - 0.5867581)).toBeLessThan(1e-3)
  })

  it('is the prior where there are no votes', () => {
    const prior = goalPrior({ goals: four, strength: 20 })
    const posterior = posteriorOf(prior, [])
    expect(posterior.mean).toEqual(prior.mean)
    expect(posterior.sd.map((s) => s * s)).toEqual(prior.variance.map((v) => expect.closeTo(v, 12)))
    expect(posterior.codeLength).toBeCloseTo(0, 12)
  })

  it('goals that go together, any number of them: without votes it is the prior, with votes its gradient is 0', () => {
    const entries = fc.integer({ min: 2, max: 6 }).chain((d) => fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: d * d, maxLength: d * d })) // biome-ignore format: one line
    fc.assert(
      fc.property(entries, (flat) => {
        const d = Math.sqrt(flat.length)
        const root = Array.from({ length: d }, (_, i) => flat.slice(i * d, (i + 1) * d))
        const covariance = root.map((a, i) => root.map((b, j) => a.reduce((sum, x, k) => sum + x * b[k]!, i === j ? 0.3 : 0)))
        const law = { location: root[0]!, covariance, laplace: root.map(() => false), signs: root.map(() => 0 as const) }
        const prior = { mean: law.location, variance: covariance.map((row, k) => row[k]!), law }
        const before = posteriorOf(prior, [])
        expect(before.covariance.to2DArray()).toEqual(covariance.map((row) => row.map((value) => expect.closeTo(value, 9))))
        const pairs: VotedPair[] = root.map((x, i) => ({ x, votes: [i, 2] }))
        const after = posteriorOf(prior, pairs)
        const away = after.mean.map((m, k) => m - law.location[k]!)
        const pull = before.precision.mmul(new Matrix(away.map((x) => [x]))).to1DArray()
        const push = pairs.reduce(
          (sum, { x, votes: [a, b] }) => {
            const p = sigmoid(x.reduce((m, value, k) => m + value * after.mean[k]!, 0))
            return sum.map((s, k) => s + (a - (a + b) * p) * x[k]!)
          },
          pull.map((x) => -x),
        )
        for (const slope of push) expect(Math.abs(slope)).toBeLessThan(1e-7)
      }),
      { numRuns: 60 },
    )
  })

  it('the code length is the evidence: it equals the integral over one weight', () => {
    const pairs: VotedPair[] = [
      { x: [1.2], votes: [1, 0] },
      { x: [-0.4], votes: [2, 1] },
      { x: [0.7], votes: [1, 0] },
    ]
    const h = 1e-3
    let evidence = 0
    for (let w = -12; w < 12; w += h) {
      const likelihood = pairs.reduce((p, { x, votes: [a, b] }) => p / (1 + Math.exp(-w * x[0]!)) ** a / (1 + Math.exp(w * x[0]!)) ** b, 1)
      evidence += (h * likelihood * Math.exp((-w * w) / 2)) / Math.sqrt(2 * Math.PI)
    }
    expect(posteriorOf(unit, pairs).codeLength).toBeCloseTo(-Math.log2(evidence), 1)
  })

  it('laws: the order of pairs, the side called a, and one pair told in two lines make no difference', () => {
    const some = fc.tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.double({ min: -2, max: 2, noNaN: true }))
    const pairs = fc.array(fc.record({ x: some, votes: fc.tuple(fc.nat(3), fc.nat(3)) }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(pairs, (pairs) => {
        const prior = goalPrior({ goals: four.slice(0, 2), strength: 5 })
        const { mean, codeLength } = posteriorOf(prior, pairs)
        const variants: VotedPair[][] = [
          pairs.toReversed(),
          pairs.map(({ x, votes: [a, b] }) => ({ x: x.map((v) => -v), votes: [b, a] })),
          pairs.flatMap(({ x, votes: [a, b] }): VotedPair[] => [
            { x, votes: [a, 0] },
            { x, votes: [0, b] },
          ]),
        ]
        for (const variant of variants) {
          const other = posteriorOf(prior, variant)
          expect(other.mean).toEqual(mean.map((w) => expect.closeTo(w, 9)))
          expect(other.codeLength).toBeCloseTo(codeLength, 9)
        }
      }),
    )
  })

  it('reaches the maximum from far away, and with votes that no finite weight would explain best', () => {
    const pairs: VotedPair[] = Array.from({ length: 50 }, (_, i) => ({ x: [3 + i], votes: [1, 0] }))
    const { mean } = posteriorOf({ mean: [-30], variance: [2] }, pairs)
    const score = pairs.reduce((sum, { x }) => sum + x[0]! / (1 + Math.exp(mean[0]! * x[0]!)), -(mean[0]! + 30) / 2)
    expect(score).toBeCloseTo(0, 8)
  })

  it.each([
    [1, [1e7, 0]],
    [1, [6e6, 4e6]],
    [10, [1e6, 0]],
    [10, [0, 1e6]],
    [100, [1e7, 3]],
    [1e-3, [9e6, 1e6]],
    [1, [1e12, 1e3]],
    [1, [6e15, 3e15]],
  ] as const)('is at the maximum with features of %d and votes of %j', (x, [a, b]) => {
    const { mean, sd, codeLength } = posteriorOf({ mean: [0.5], variance: [2] }, [{ x: [x], votes: [a, b] }])
    // The slope of the log posterior, by its definition, changes its sign within three millionths of the deviation.
    const slope = (w: number) => (x * a) / (1 + Math.exp(w * x)) - (x * b) / (1 + Math.exp(-w * x)) - (w - 0.5) / 2
    const reach = Math.max(3e-6 * sd[0]!, 1e-14 * Math.abs(mean[0]!))
    expect(slope(mean[0]! - reach)).toBeGreaterThan(0)
    expect(slope(mean[0]! + reach)).toBeLessThan(0)
    expect(Number.isFinite(codeLength)).toBe(true)
  })

  it('95 % intervals hold the weights 95 times in 100, also when four votes on a pair share what no goal explains', () => {
    for (const unexplained of [0, 1.5]) {
      let held = 0
      // What a voter with a private taste looks like through the goals alone: weights shrunk by the spread of that taste.
      const truth = posteriorOf(
        { mean: [0], variance: [1e6] },
        simulate({ seed: 9, pairs: 20_000, weights: [0.6], votesPerPair: 4, unexplained }),
      ).mean[0]!
      for (let seed = 0; seed < 300; seed++) {
        const { mean, sd } = posteriorOf(
          { mean: [0], variance: [1e6] },
          simulate({ seed, pairs: 150, weights: [0.6], votesPerPair: 4, unexplained }),
        )
        if (Math.abs(mean[0]! - truth) < 1.96 * sd[0]!) held++
      }
      expect(held / 300).toBeGreaterThan(0.92)
      expect(held / 300).toBeLessThan(0.985)
    }
  })
})

describe('bits', () => {
  const prior = goalPrior({ goals: four, strength: 20 })
  const weights = [0.5, 0.8, 0, 0]

  it('doubling the data leaves the prior bits unchanged, and adds less than it brought', () => {
    const pairs = simulate({ seed: 1, pairs: 300, weights })
    const once = contribution(prior, pairs).contribution.bits
    const twice = contribution(prior, [...pairs, ...pairs]).contribution.bits
    expect(twice.prior).toBe(once.prior)
    expect(twice.data).toBeGreaterThan(once.data)
    expect(twice.data).toBeLessThan(2 * once.data)
  })

  it('shuffled votes carry no bits: from the reference the mean stays, and their code is not shortened', () => {
    const reference = goalPrior({ goals: four, strength: 0 })
    for (let seed = 0; seed < 20; seed++) {
      const empty = contribution(reference, simulate({ seed, pairs: 300, weights: [0, 0, 0, 0] })).contribution
      expect(empty.bits.moved).toBeLessThan(0.1)
      expect(empty.bits.saved).toBeLessThan(0)
      // What is left of KL(posterior‖prior) is the spread: 300 votes were cast, and they say that the weights are near 0.
      expect(empty.bits.data - empty.bits.moved).toBe(empty.bits.sharpened)
      const real = contribution(reference, simulate({ seed, pairs: 300, weights })).contribution
      expect(real.bits.saved).toBeGreaterThan(10)
    }
  })

  it('add up: coin tosses are what was saved and the code, the code is what was taught and what is left', () => {
    const pairs = simulate({ seed: 4, pairs: 200, weights })
    const { posterior, contribution: found } = contribution(prior, pairs)
    const { saved, savedByPrior, code, data, left, moved, sharpened, prequential } = found.bits
    expect(saved + savedByPrior + code).toBeCloseTo(found.votes, 9)
    expect(data + left).toBeCloseTo(code, 9)
    expect(moved + sharpened).toBeCloseTo(data, 9)
    expect(code).toBe(posterior.codeLength)
    // What is left is what votes cost on average over the posterior, by quadrature in each pair's margin.
    const costs = pairs.reduce((bits, { x, votes: [a, b] }) => {
      const mean = x.reduce((sum, value, k) => sum + value * posterior.mean[k]!, 0)
      const sd = Math.sqrt(x.reduce((sum, v, i) => sum + x.reduce((row, u, j) => row + v * u * posterior.covariance.get(i, j), 0), 0))
      let expected = 0
      for (let z = -8; z < 8; z += 0.02) {
        const t = mean + sd * z
        expected += (0.02 / Math.sqrt(2 * Math.PI)) * Math.exp((-z * z) / 2) * (a * Math.log2(sigmoid(t)) + b * Math.log2(sigmoid(-t)))
      }
      return bits - expected
    }, 0)
    expect(Math.abs(costs - left)).toBeLessThan(0.05)
    expect(prequential.prior).toBeLessThan(prequential.reference)
    expect(prequential.prior).toBeLessThan(found.votes)
  })

  it('pair by pair the prequential code is the evidence, in any order', () => {
    const pairs = simulate({ seed: 5, pairs: 60, weights })
    const ends = pairs.map((_, i) => (i + 1) / pairs.length)
    const { codeLength } = posteriorOf(prior, pairs)
    for (const order of [pairs, pairs.toReversed()])
      expect(Math.abs(prequentialBits(prior, order, { ends, method: 'laplace' }) - codeLength)).toBeLessThan(0.2)
  })

  it('pseudo-votes are votes: a prior of strength n is the reference after n votes at indifference on typical pairs', () => {
    const strength = 40
    const typical: VotedPair[] = [{ x: [1, 1], votes: [strength, strength] }, { x: [1, -1], votes: [strength, strength] }] // biome-ignore format: one line
    // Half of 2·strength votes a pair, whose x xᵀ add up to that of `strength` pairs with E x² = 2 on each goal.
    const two = goalPrior({ goals: four.slice(0, 2), strength, weights: { kind: 0, complete: 0 } })
    const halved = typical.map(({ x, votes: [a, b] }): VotedPair => ({ x, votes: [a / 2, b / 2] }))
    const after = posteriorOf(goalPrior({ goals: four.slice(0, 2), strength: 0 }), halved, { method: 'laplace' })
    expect([0, 1].map((k) => after.covariance.get(k, k))).toEqual(two.variance.map((v) => expect.closeTo(v, 12)))
    expect(after.mean).toEqual([expect.closeTo(0, 12), expect.closeTo(0, 12)])
  })

  it('V-BIC-1: a parameter costs ½·log2 10 bits more a decade', () => {
    const known = [[10, 10.366322, 1.553413], [100, 91.260872, 3.131782], [1000, 886.074802, 4.783903], [10_000, 8819.352969, 6.443977], [100_000, 88137.194775, 8.104851]] as const // biome-ignore format: one line
    const entropy = -(0.7 * Math.log2(0.7) + 0.3 * Math.log2(0.3))
    for (const [n, evidence, regret] of known) {
      const bits = evidenceBits({ a: 1, b: 1 }, 0.7 * n, n)
      expect(bits).toBeCloseTo(evidence, 5)
      expect(bits - n * entropy).toBeCloseTo(regret, 5)
    }
  })

  it('a right prior shortens the code of few votes, a flipped one lengthens it', () => {
    const flipped = goalPrior({
      goals: four.map((goal) => ({ ...goal, direction: goal.direction === 1 ? (-1 as const) : (1 as const) })),
      strength: 20,
    })
    const pairs = simulate({ seed: 3, pairs: 40, weights: [0.5, 0.5, -0.5, 0.5] })
    expect(contribution(prior, pairs).contribution.bits.savedByPrior).toBeGreaterThan(1)
    expect(contribution(flipped, pairs).contribution.bits.savedByPrior).toBeLessThan(-1)
    expect(flipped.bits).toBeCloseTo(prior.bits, 12) // bits are not direction
  })
})

describe('fighting the data', () => {
  const prior = goalPrior({ goals: four, strength: 20 })
  const flipped = goalPrior({
    goals: four.map((goal) => ({ ...goal, direction: goal.direction === 1 ? (-1 as const) : (1 as const) })),
    strength: 20,
  })
  const runs = 300
  const rate = (prior: typeof flipped, weights: number[], more = {}) => {
    let fights = 0
    for (let seed = 0; seed < runs; seed++) if (fightingGoals(prior, simulate({ seed, pairs: 300, weights, ...more })).length > 0) fights++
    return fights / runs
  }

  it('shuffled votes: at most 1 run in 100 is a false alarm, by the threshold', () => {
    expect(rate(prior, [0, 0, 0, 0])).toBeLessThan(0.02)
  })

  it('is as rare with few prompts and many goals, where votes of a prompt share a mood', () => {
    for (const [prompts, count] of [
      [12, 1],
      [12, 10],
      [24, 10],
      [50, 4],
      [112, 10],
    ] as const) {
      const many = goalPrior({ goals: Array.from({ length: count }, (_, k) => ({ ...goals.kind, name: `g${k}` })), strength: 20 })
      let fights = 0
      for (let seed = 0; seed < 200; seed++) {
        const given = { seed, pairs: 6 * prompts, weights: many.goals.map(() => 0), votesPerPair: 4, unexplained: 1.5, pairsPerCluster: 6 }
        if (fightingGoals(many, simulate(given)).length > 0) fights++
      }
      // At most 1 in 100 is stated: of 200, 7 and more come once in 200 times.
      expect(fights, `${prompts} prompts, ${count} goals`).toBeLessThan(7)
    }
  })

  it('shuffled votes of 50 prompts with six pairs and a shared mood: still rare', () => {
    expect(rate(prior, [0, 0, 0, 0], { pairsPerCluster: 6, unexplained: 1.5 })).toBeLessThan(0.03)
  })

  it('a right prior is quiet, also when the voter cares for only half of it or has tastes beyond it', () => {
    expect(rate(prior, [0.5, 0.5, -0.5, 0.5])).toBe(0)
    expect(rate(prior, [0.3, 0.8, 0, 0], { unexplained: 1 })).toBeLessThan(0.02)
  })

  it('a flipped prior fires, with 300 votes', () => {
    expect(rate(flipped, [0.3, 0.8, 0, 0], { unexplained: 1 })).toBeGreaterThan(0.99)
    const { fighting } = contribution(flipped, simulate({ seed: 0, pairs: 300, weights: [0.5, 0.8, 0, 0] })).contribution
    expect(fighting).toEqual(['kind', 'complete'])
  })

  it('no prior, no fight', () => {
    const none = goalPrior({ goals: four, strength: 0 })
    expect(contribution(none, simulate({ seed: 0, pairs: 300, weights: [-2, -2, 2, -2] })).contribution.fighting).toEqual([])
  })
})

interface Simulated {
  readonly seed: number
  readonly pairs: number
  /** The voter's weights, in log-odds per standard deviation. */
  readonly weights: readonly number[]
  readonly votesPerPair?: number
  /** Standard deviation of the log-odds that no goal explains. One half is shared by the votes on a pair, one by the pairs of a cluster. */
  readonly unexplained?: number
  readonly pairsPerCluster?: number
}

/** Votes of a made-up Bradley–Terry voter on pairs of independent samples, whose goals correlate by a half. */
function simulate({ seed, pairs, weights, votesPerPair = 1, unexplained = 0, pairsPerCluster = 1 }: Simulated): VotedPair[] {
  const d = weights.length
  const u = sampleRng(seed + 1).f32([pairs, d + 3 + votesPerPair], 0, 1).data
  const normal = (i: number, k: number) => normalQuantile(Math.min(Math.max(u[i * (d + 3 + votesPerPair) + k]!, 1e-7), 1 - 1e-7))
  return Array.from({ length: pairs }, (_, i) => {
    const common = normal(i, d)
    const x = weights.map((_, k) => normal(i, k) + common)
    const cluster = Math.floor(i / pairsPerCluster)
    const taste = (unexplained / Math.SQRT2) * (normal(i, d + 1) + normal(cluster, d + 2))
    const p = sigmoid(weights.reduce((sum, w, k) => sum + w * x[k]!, taste))
    const forA = Array.from({ length: votesPerPair }, (_, j) => u[i * (d + 3 + votesPerPair) + d + 3 + j]!).filter((u) => u < p).length
    return { x, votes: [forA, votesPerPair - forA], cluster: `${cluster}` }
  })
}
