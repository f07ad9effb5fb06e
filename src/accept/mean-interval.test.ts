import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normals, uniforms } from '../../test/normals.ts'
import { boundedMean } from './bounded-mean.ts'
import { meanInterval } from './mean-interval.ts'

describe('the mean of numbers with a range', () => {
  it.each([
    // Clopper and Pearson's interval, as scipy.stats.binomtest(k, n).proportion_ci('exact') of SciPy 1.17 has it.
    [20, 20, 0.8315665290169145, 1],
    [24, 24, 0.8575264022774186, 1],
    [0, 24, 0, 0.14247359772258136],
    [7, 10, 0.3475471499399921, 0.9332604888222655],
    [60, 76, 0.6807555422274217, 0.8746099100628839],
  ])('%d ones of %d: [%d, %d]', (k, n, low, high) => {
    const values = Array.from({ length: n }, (_, i) => (i < k ? 1 : 0))
    const [from, to] = boundedMean(values, [0, 1], 0.025)
    expect(from).toBeCloseTo(low, 9)
    expect(to).toBeCloseTo(high, 9)
  })

  it('is the quantile of the mean under even weights, the end of the range seen once more', () => {
    const uniform = uniforms(3)
    const values = [0, 0.2, 0.25, 0.5, 0.5, 0.5, 0.75, 0.9, 0.9, 1, 1, 0.1]
    const drawn = (end: number) => {
      const draws = Array.from({ length: 200_000 }, () => {
        let [sum, weight] = [0, 0]
        for (const value of [...values, end]) {
          const e = -Math.log(uniform())
          sum += e * value
          weight += e
        }
        return sum / weight
      })
      return Float64Array.from(draws).sort()
    }
    const [low, high] = boundedMean(values, [0, 1], 0.025)
    // The quantile of 200 000 draws is off by some 0.0003 (one standard error), and the saddlepoint's tail by under 1 %.
    expect(Math.abs(low - drawn(0)[5000]!)).toBeLessThan(0.0015)
    expect(Math.abs(high - drawn(1)[195_000]!)).toBeLessThan(0.0015)
  })

  it('misses no three-point law more often than 2.5 % on either side, counted out over all samples', () => {
    const n = 8
    const factorials = [1]
    for (let k = 1; k <= n; k++) factorials.push(factorials[k - 1]! * k)
    let worst = 0
    for (const middle of [0.1, 0.5, 0.85]) {
      const samples = []
      for (let a = 0; a <= n; a++)
        for (let b = 0; a + b <= n; b++) {
          const counts = [a, b, n - a - b] as const
          const values = [...Array(a).fill(0), ...Array(b).fill(middle), ...Array(n - a - b).fill(1)]
          samples.push({ counts, ends: boundedMean(values, [0, 1], 0.025) })
        }
      for (let p = 0; p <= 20; p++)
        for (let q = 0; p + q <= 20; q++) {
          const law = [p / 20, q / 20, (20 - p - q) / 20]
          const mean = middle * law[1]! + law[2]!
          const missed = [0, 0]
          for (const { counts, ends } of samples) {
            const chance = counts.reduce((all, count, i) => (all * law[i]! ** count) / factorials[count]!, factorials[n]!)
            if (ends[0] > mean + 1e-9) missed[0]! += chance
            if (ends[1] < mean - 1e-9) missed[1]! += chance
          }
          worst = Math.max(worst, ...missed)
        }
    }
    expect(worst).toBeLessThan(0.0253)
    expect(worst).toBeGreaterThan(0.02)
  })

  it('laws: inside the range, mirrored, and scaled with it', () => {
    const values = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 2, maxLength: 40 })
    fc.assert(
      fc.property(values, (eighths) => {
        const [low, high] = boundedMean(
          eighths.map((x) => x / 8),
          [0, 1],
          0.025,
        )
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        const [mirroredLow, mirroredHigh] = boundedMean(
          eighths.map((x) => 1 - x / 8),
          [0, 1],
          0.025,
        )
        expect([1 - mirroredHigh, 1 - mirroredLow]).toEqual([expect.closeTo(low, 9), expect.closeTo(high, 9)])
        const [wideLow, wideHigh] = boundedMean(
          eighths.map((x) => 100 * x - 300),
          [-300, 500],
          0.025,
        )
        expect([(wideLow + 300) / 800, (wideHigh + 300) / 800]).toEqual([expect.closeTo(low, 9), expect.closeTo(high, 9)])
      }),
    )
  })

  it('a value outside its range, and a range that is upside down, are refused', () => {
    expect(() => meanInterval('share', [0.5, 1.5], 'share', [0, 1])).toThrow(/share: every measured number must be in 0 … 1, got 1.5/)
  })
})

describe('the mean of numbers without a range', () => {
  const sample = (n: number, draw: () => number) => Array.from({ length: n }, draw)

  it('is Student’s where there is no skew, and leans towards the long tail where there is', () => {
    // Mean 0, deviation √(10/9)·…: ±1 in equal numbers; t(31, 0.975) = 2.0395134464.
    const even = Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? 1 : -1))
    const { low, high } = meanInterval('x', even, '')
    expect(high).toBeCloseTo((2.0395134464 * Math.sqrt(32 / 31)) / Math.sqrt(32), 8)
    expect(low).toBeCloseTo(-high, 12)
    const uniform = uniforms(4)
    const skewed = meanInterval(
      'x',
      sample(60, () => -Math.log(uniform())),
      '',
    )
    expect(skewed.high - skewed.estimate).toBeGreaterThan(1.1 * (skewed.estimate - skewed.low))
  })

  it('puts Hall’s cubic of the standardised end at Student’s quantile', () => {
    const uniform = uniforms(9)
    const values = sample(60, () => -Math.log(uniform()))
    const { estimate, high } = meanInterval('x', values, '')
    const moment = (k: number) => values.reduce((sum, x) => sum + (x - estimate) ** k, 0) / 60
    const skew = moment(3) / moment(2) ** 1.5
    const w = (estimate - high) / Math.sqrt((moment(2) * 60) / 59)
    // t(59, 0.975) = 2.0009953781.
    expect(Math.sqrt(60) * (w + (skew * w * w) / 3 + (skew * skew * w ** 3) / 27 + skew / 360)).toBeCloseTo(-2.0009953781, 6)
  })

  it('covers the truth of clustered worlds over prompts, and not over completions (control)', () => {
    // Each prompt shifts all of its completions by the same amount (intraclass correlation ½).
    const worlds = Array.from({ length: 600 }, (_, world) => {
      const normal = normals(world + 1)
      return Array.from({ length: 40 }, () => {
        const shift = normal()
        return Array.from({ length: 8 }, () => shift + normal())
      })
    })
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
    const coverage = (numbers: (world: number[][]) => number[]) =>
      worlds.filter((world) => {
        const { low, high } = meanInterval('x', numbers(world), '')
        return low <= 0 && 0 <= high
      }).length / worlds.length
    // Three standard errors of a share of 0.95 over 600 worlds are 0.027.
    expect(coverage((world) => world.map(mean))).toBeGreaterThan(0.923)
    expect(coverage((world) => world.map(mean))).toBeLessThan(0.985)
    expect(coverage((world) => world.flat())).toBeLessThan(0.75)
  })

  it('moves with the origin and the unit of the numbers', () => {
    const numbers = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 3, maxLength: 40 })
    fc.assert(
      fc.property(numbers, (values) => {
        const { low, high } = meanInterval('x', values, '')
        const moved = meanInterval(
          'x',
          values.map((x) => 7 - 2 * x),
          '',
        )
        expect([moved.low, moved.high]).toEqual([expect.closeTo(7 - 2 * high, 6), expect.closeTo(7 - 2 * low, 6)])
      }),
    )
  })

  const normal = normals(2)
  it.each([
    ['too few numbers', sample(19, normal), /^19 are too few for a measure without a declared range: 20 or more are needed$/],
    ['numbers that are all equal', sample(40, () => 3), /^all 40 have the same value/],
    ['numbers that differ by rounding alone', sample(40, () => 1e9 + 1e-7 * normal()), /^all 40 have the same value/],
    ['one number that has most of the spread', [...sample(75, normal), 40], /^one of 76 alone has 9\d % of the squared distances/],
    ['three in a hundred', [...sample(97, () => 0), 1, 1, 1], /^one of 100 alone has 3\d % of the squared distances/],
  ])('cannot tell from %s', (_, values, why) => {
    expect(meanInterval('x', values, '').cannotTell).toMatch(why)
  })

  it.each([
    ['normal numbers', sample(32, normal)],
    ['tiny numbers that vary', sample(32, () => 1e-14 * normal())],
    ['five in a hundred', [...sample(95, () => 0), 1, 1, 1, 1, 1]],
  ])('can tell from %s', (_, values) => {
    expect(meanInterval('x', values, '').cannotTell).toBeUndefined()
  })

  it('refuses one number, and numbers that are none', () => {
    expect(() => meanInterval('gold', [1], '')).toThrow(/gold: an interval needs at least 2 prompts, got 1/)
    expect(() => meanInterval('gold', [1, Number.NaN], '')).toThrow(/gold: every measured number must be finite, got NaN/)
  })
})
