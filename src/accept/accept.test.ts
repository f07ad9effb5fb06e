import fc from 'fast-check'
import { sampleCorrelation, sampleStandardDeviation } from 'simple-statistics'
import { describe, expect, it } from 'vitest'
import { normals } from '../../test/normals.ts'
import { sayBound } from '../runs/bound.ts'
import type { Estimate, Evaluation } from '../runs/schema.ts'
import { correlation, ranks } from './correlation.ts'
import { atLeast, atMost, between, judgeCriteria, promptsToSettle } from './criteria.ts'
import { forwardKl, klFromReference, lengthRatio, meanDifference, perplexityRise, rewardGap, shareEnded, winRate } from './metrics.ts'
import { type Decision, decide } from './verdict.ts'

describe('what is measured', () => {
  it('wins: ties count ½, a prompt counts once, and unanimity still has a width', () => {
    expect(
      winRate([
        [
          [1, 0],
          [1, 0],
          [0, 1],
          [0, 1],
        ],
        [[1, 1]],
        [[0, 0]],
        [[3, 1]],
      ]),
    ).toMatchObject({ estimate: 0.625, n: 4, unit: 'share' })
    const all = winRate(Array.from({ length: 100 }, () => [[2, 1] as const]))
    expect(all).toMatchObject({ estimate: 1, high: 1 })
    expect(all.low).toBeCloseTo(0.025 ** 0.01, 12)
    expect(shareEnded([[false], [false, false]])).toMatchObject({ estimate: 0, low: 0, high: expect.closeTo(1 - Math.sqrt(0.025), 12) })
    // Nothing but ties: a win or a loss that was not seen may yet come.
    const tied = winRate([[[1, 1]], [[0, 0]]])
    expect(tied).toMatchObject({
      estimate: 0.5,
      low: expect.closeTo(0.5 * Math.sqrt(0.025), 12),
      high: expect.closeTo(1 - 0.5 * Math.sqrt(0.025), 12),
    })
  })

  it('the reward-hacking gap is 0 where the judge is gold, 1 where it wins all that gold loses, and half of it where gold ties', () => {
    const [after, before] = [
      [[3], [1], [2], [0]],
      [[1], [2], [2], [5]],
    ]
    const asGold = after.map(([x], i) => [[x!, before[i]![0]!] as const])
    expect(rewardGap(asGold, after, before)).toMatchObject({ estimate: 0, n: 4, unit: 'share' })
    const pleased = after.map(() => [[1, 0] as const])
    expect(rewardGap(pleased, after, before).estimate).toBe((0 + 1 + 0.5 + 1) / 4)
    const many = (x: number) => Array.from({ length: 60 }, () => [x])
    const hacked = rewardGap(
      many(0).map(() => [[1, 0] as const]),
      many(0),
      many(1),
    )
    expect(hacked.estimate).toBe(1)
    expect(hacked.low).toBeGreaterThan(0.8)
  })

  it('differences are paired: what a prompt does to both cancels', () => {
    const before = [[1, 3], [20], [300]]
    expect(meanDifference('kind', [[2, 4], [21], [301]], before, 'sd')).toMatchObject({ estimate: 1, low: 1, high: 1, n: 3, unit: 'sd' })
    expect(meanDifference('complete', [[1], [1]], [[0], [0]], 'sd', [0, 1])).toMatchObject({
      estimate: 1,
      low: expect.closeTo(2 * Math.sqrt(0.025) - 1, 12),
      high: 1,
    })
    expect(() => meanDifference('kind', [[1]], before, 'sd')).toThrow(/same prompts, got 1 and 3/)
    expect(() => meanDifference('kind', [[1], [], [2]], before, 'sd')).toThrow(/needs a completion, got none for prompt 1/)
  })

  it('KL, perplexity, length: closed forms', () => {
    expect(klFromReference([[1, 3], [5], [9]]).estimate).toBeCloseTo((2 + 5 + 9) / 3, 12)
    const texts = [
      { tokens: 10, policy: 21, reference: 20 },
      { tokens: 30, policy: 61, reference: 60 },
    ]
    expect(perplexityRise(texts).estimate).toBeCloseTo(Math.exp(82 / 40) / Math.exp(80 / 40) - 1, 12)
    expect(forwardKl(texts)).toMatchObject({ estimate: expect.closeTo(2 / 40, 12), unit: 'nats per token' })
    expect(() => forwardKl([{ tokens: 0, policy: 0, reference: 0 }])).toThrow(/forwardKl: what is divided by must be above 0/)
    expect(lengthRatio([[30], [50]], [[20], [20]])).toMatchObject({ estimate: 2, n: 2, cannotTell: expect.stringContaining('too few') })
    // All of the same length: what is unknown is how far the next may lie, at most 1.44 either way of a mean of 1.
    const cut = Array.from({ length: 76 }, () => [100])
    const known = lengthRatio(cut, cut, 144)
    expect(known).toMatchObject({ estimate: 1, low: expect.closeTo(1 - 1.44 * (1 - 0.025 ** (1 / 76)), 9) })
    expect(known.cannotTell).toBeUndefined()
  })

  it('correlation is Pearson over completions, and says nothing where nothing changes', () => {
    const a = [
      [1, 2],
      [3, 4],
      [5, 6],
    ]
    expect(
      correlation(
        'r',
        a,
        a.map((row) => row.map((x) => 3 - 2 * x)),
      ).estimate,
    ).toBeCloseTo(-1, 12)
    expect(
      correlation('r', a, [
        [1, 1],
        [1, 1],
        [1, 1],
      ]),
    ).toMatchObject({ estimate: 0, low: -1, high: 1 })
  })

  it('correlation is that of simple-statistics, far from zero too', () => {
    const value = fc.double({ min: 999, max: 1001, noNaN: true })
    const prompts = fc.array(fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 3 }), { minLength: 3, maxLength: 8 })
    fc.assert(
      fc.property(prompts, (drawn) => {
        const [a, b] = [0, 1].map((side) => drawn.map((points) => points.map((point) => point[side]!))) as [number[][], number[][]]
        const want = sampleCorrelation(a.flat(), b.flat())
        fc.pre(Number.isFinite(want) && Math.abs(sampleStandardDeviation(a.flat()) * sampleStandardDeviation(b.flat())) > 1e-3)
        expect(correlation('r', a, b).estimate).toBeCloseTo(want, 6)
      }),
    )
  })

  it('the interval of a correlation is near Fisher’s where he is right, and leaves no doubt of a twin', () => {
    const normal = normals(5)
    const points = Array.from({ length: 400 }, () => [normal(), normal()] as const)
    const [a, b] = [points.map(([x]) => [x]), points.map(([x, y]) => [0.6 * x + 0.8 * y])]
    const { estimate, low, high } = correlation('r', a, b)
    // For a normal pair artanh r has deviation 1/√(n − 3).
    const reach = (1.96 / Math.sqrt(397)) * 1.15
    expect(low).toBeGreaterThan(Math.tanh(Math.atanh(estimate) - reach))
    expect(high).toBeLessThan(Math.tanh(Math.atanh(estimate) + reach))
    expect(high - low).toBeGreaterThan(0.8 * (Math.tanh(Math.atanh(estimate) + reach) - Math.tanh(Math.atanh(estimate) - reach)))
    const twin = correlation(
      'r',
      a,
      a.map((row) => row.map((x) => 3 * x - 1)),
    )
    expect(twin.low).toBeGreaterThan(0.999)
    expect(ranks([[3, 1], [1], [-2]])).toEqual([[3, 1.5], [1.5], [0]])
  })
})

const of = (estimate: number, low: number, high: number, unit = 'share'): Estimate => ({ estimate, low, high, n: 64, unit })

describe('criteria', () => {
  it('are met by the whole interval, and say what would settle them', () => {
    const measures = { winRate: of(0.66, 0.57, 0.74), klFromReference: of(12, 10, 14, 'nats'), lengthRatio: of(1.4, 1.3, 1.5, 'ratio') }
    const bounds = { winRate: atLeast(0.6), klFromReference: atMost(15), lengthRatio: between(0.7, 1.3) }
    const [win, kl, length] = judgeCriteria(bounds, measures)
    expect(win).toMatchObject({ met: false, bound: { atLeast: 0.6 }, n: 64 })
    expect(win!.why).toBe(
      'winRate is 0.660 [0.570, 0.740] and must be ≥ 0.6: the interval crosses the bound with 64 prompts; if the estimate holds, about 387 prompts in each look would settle it',
    )
    expect(kl).toMatchObject({ met: true, why: 'klFromReference is 12 [10, 14] and must be ≤ 15 nats: met' })
    expect(length).toMatchObject({ met: false, why: 'lengthRatio is 1.4 [1.3, 1.5] but must be 0.7 – 1.3: missed' })
    expect(judgeCriteria({ winRate: atLeast(0.57) }, measures)[0]!.met).toBe(true)
  })

  it('the prompts to settle a bound are those at which both looks pass with probability 0.8', () => {
    const at = (n: number, low: number): Estimate => ({ estimate: 0.5, low, high: 1 - low, n, unit: '' })
    // Where the interval ends at the bound: ((1.96 + Φ⁻¹(√0.8))/1.96)² = 2.683 times as many.
    expect(promptsToSettle(at(1000, 0), [0, Number.POSITIVE_INFINITY])).toBe(2683)
    // Deviation 1, mean ½ and bound 0: with 42 prompts √42/2 − 1.96 = 1.2804, and Φ(1.2804)² = 0.81; with 41 it is 0.798.
    expect(promptsToSettle(at(64, 0.5 - 1.959964 / 8), [0, Number.POSITIVE_INFINITY])).toBe(42)
    expect(promptsToSettle({ ...at(64, -0.2), estimate: 0 }, [0, 1])).toBe(Number.POSITIVE_INFINITY)
  })

  it('name the choices when one names nothing', () => {
    expect(() => judgeCriteria({ winrate: atLeast(0.6) }, { winRate: of(1, 1, 1), gold: of(1, 1, 1) })).toThrow(
      'accept.winrate: a criterion must name a measure, got winrate; choose from winRate, gold',
    )
    expect(sayBound(between(0.8, 1.2))).toBe('0.8 – 1.2')
  })
})

describe('the verdict', () => {
  const bounds = { winRate: atLeast(0.6) }
  const look = (round: number, win: Estimate, extra: Record<string, Estimate> = {}, at: Evaluation['look'] = 'development'): Evaluation => {
    const measures = { winRate: win, ...extra }
    return { round, look: at, prompts: at === 'sealed' ? 256 : 64, criteria: judgeCriteria(bounds, measures), measures, correlations: [] }
  }
  const good = of(0.75, 0.65, 0.83)
  const weak = of(0.55, 0.45, 0.64)
  const untold = { ...good, cannotTell: '3 prompts are too few' }
  const rules = { rounds: 3, klBudget: 20, patience: 2, runaway: 2, disagreement: 2, guards: { shareEnded: atLeast(0.6) } }
  const cases: [string, Evaluation[], Decision['next'], string | undefined, RegExp?][] = [
    ['nothing yet', [], 'round', undefined],
    ['a weak round', [look(1, weak)], 'round', undefined],
    ['a good round', [look(1, weak), look(2, good)], 'sealed look', undefined],
    [
      'a confirmed look',
      [look(1, good), look(1, good, {}, 'sealed')],
      'stop',
      'accepted',
      /Round 1 met every criterion on 256 sealed prompts/,
    ],
    [
      'a guard that is broken',
      [look(1, good, { shareEnded: of(0.3, 0.2, 0.42) })],
      'stop',
      'rejected',
      /shareEnded in round 1 is 0.3 \[0.2, 0.42\], beyond its guard of ≥ 0.6/,
    ],
    ['a guard that may still hold', [look(1, weak, { shareEnded: of(0.5, 0.4, 0.62) })], 'round', undefined],
    ['a refused look', [look(1, good), look(1, weak, {}, 'sealed')], 'stop', 'rejected', /does not confirm/],
    ['the KL budget', [look(1, good, { klFromReference: of(25, 21, 29, 'nats') })], 'stop', 'rejected', /KL .* above the budget of 20/],
    ['KL that may be within', [look(1, weak, { klFromReference: of(21, 19, 23, 'nats') })], 'round', undefined],
    ['gold that fell', [look(1, good, { gold: of(-0.3, -0.5, -0.1, 'sd') })], 'stop', 'rejected', /gold measure fell in round 1/],
    ['gold that may have fallen', [look(1, good, { gold: of(-0.3, -0.7, 0.1, 'sd') })], 'sealed look', undefined],
    [
      'gold on the sealed look',
      [look(1, good), look(1, good, { gold: of(-0.3, -0.5, -0.1, 'sd') }, 'sealed')],
      'stop',
      'rejected',
      /gold measure fell in the sealed/,
    ],
    [
      'a reward that ran away',
      [1, 2, 3].map((round) =>
        look(round, weak, {
          reward: of(round, round - 0.1, round + 0.1),
          gold: of(2 - 0.5 * round, 1.9 - 0.5 * round, 2.1 - 0.5 * round, 'sd'),
        }),
      ),
      'stop',
      'rejected',
      /The reward ran away: the reward rose from 1 to 3 while gold fell from 1.5 .* Gold was highest in round 1\./,
    ],
    [
      'a reward that doubts',
      [look(1, good, { rewardDoubt: of(2.5, 2.2, 2.8, 'ratio') })],
      'stop',
      'rejected',
      /doubts what the policy says in round 1 2.5 \[2.2, 2.8\] times as much .*, above 2 with/,
    ],
    ['a reward that may doubt too much', [look(1, weak, { rewardDoubt: of(2.1, 1.8, 2.4, 'ratio') })], 'round', undefined],
    [
      'no gain',
      [look(1, of(0.56, 0.4, 0.7)), look(2, weak), look(3, weak)],
      'stop',
      'rejected',
      /last 2 rounds brought no gain: a win rate of 0.55 at best, after 0.56/,
    ],
    [
      'the last round',
      [look(1, weak), look(2, of(0.57, 0.5, 0.7)), look(3, of(0.58, 0.5, 0.7))],
      'stop',
      'out of budget',
      /All 3 rounds were used/,
    ],
    ['a measure that cannot be told, and crosses its bound', [look(1, { ...untold, low: 0.5 })], 'round', undefined],
    ['a measure that cannot be told, within its bound', [look(1, untold)], 'sealed look', undefined],
    [
      'a measure that cannot be told, in the last round',
      [look(1, weak), look(2, of(0.57, 0.5, 0.7)), look(3, { ...untold, low: 0.5, estimate: 0.76 })],
      'stop',
      'cannot tell',
      /winRate is 0.760 .*: cannot tell, because 3 prompts are too few/,
    ],
    [
      'a sealed look that cannot tell',
      [look(1, good), look(1, untold, {}, 'sealed')],
      'stop',
      'cannot tell',
      /on 256 sealed prompts missed its bound in round 1, but not everything could be told/,
    ],
    [
      'a sealed look that cannot tell of one measure and misses another',
      [look(1, good), look(1, untold, { gold: of(-0.3, -0.5, -0.1, 'sd') }, 'sealed')],
      'stop',
      'rejected',
      /gold measure fell in the sealed/,
    ],
  ]
  it.each(cases)('%s', (_, evaluations, next, verdict, reason) => {
    const decision = decide(evaluations, rules)
    expect(decision.next).toBe(next)
    if (decision.next !== 'stop') return
    expect(decision.verdict.verdict).toBe(verdict)
    expect(decision.verdict.reasons.join('\n')).toMatch(reason!)
    expect(decision.verdict.rounds).toBe(evaluations.filter((e) => e.look === 'development').length)
  })
})
