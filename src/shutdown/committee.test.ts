import { describe, expect, it } from 'vitest'
import { bestContract, withoutContract } from './contract.ts'
import { agreementRate, gridlock } from './gridlock.ts'
import { agreement, parseWorld, readWorld, relationOf } from './index.ts'
import { lifetimeWeakly, meanLength } from './lifetime.ts'
import { lottery, massAt } from './lottery.ts'
import { offSwitch } from './off-switch.ts'
import { one, rational } from './rational.ts'

const { random } = await import('../random/index.ts')

describe('vetoes', () => {
  it('V-VETO-1: a random pair is ordered with probability 2^(1 − m)', () => {
    expect([1, 2, 3, 8].map((m) => agreementRate(m).toFraction())).toEqual(['1', '1/2', '1/4', '1/128'])
    for (const m of [1, 2, 3, 4]) {
      const [p, { ordered, n }] = [agreementRate(m).valueOf(), gridlock(m)]
      expect(Math.abs(ordered / n - p)).toBeLessThanOrEqual(3.5 * Math.sqrt((p * (1 - p)) / n))
    }
  })

  it('gridlock grows with the members, and shrinks with the options', () => {
    const stuck = (m: number, options: number) => gridlock(m, { options, n: 2000 }).stuck
    expect([1, 2, 3, 5].map((m) => stuck(m, 4))).toEqual([1, 2, 3, 5].map((m) => stuck(m, 4)).toSorted((a, b) => a - b))
    expect(stuck(2, 8)).toBeLessThan(stuck(2, 1))
    // One option, m members: no improvement with probability 1 − 2^(−m).
    expect(stuck(2, 1) / 2000).toBeCloseTo(0.75, 1)
  })

  it('who votes where: a member without a vote on a pair has no veto on it', () => {
    const of = (votesOn?: string[]) => {
      const { committee, listed } = parseWorld({
        trajectories: [
          { name: 'a', length: 1, utilities: [0] },
          { name: 'b', length: 1, utilities: [0] },
        ],
        committee: [
          { name: 'u', values: { a: 1, b: 0 } },
          { name: 'v', values: { a: 0, b: 1 }, ...(votesOn && { votesOn }) },
        ],
      })
      return agreement(committee!, listed[0]!, listed[1]!)
    }
    expect([of(), of(['a', 'b']), of(['a'])]).toEqual(['gap', 'gap', 'first'])
  })
})

describe('contracts', () => {
  const r = rational
  // Two questions, each coming up half of the time: in one the first member would gain 3 and the second lose 1, in the other the reverse.
  const questions = [
    [r(3), r(-1)],
    [r(-1), r(3)],
  ].map((answer) => ({ probability: r('1/2'), answers: [[r(0), r(0)], answer], standing: 0 }))

  it('close gaps: what vetoes forbid question by question, all sign beforehand', () => {
    expect(withoutContract(questions).expects.map(String)).toEqual(['0', '0'])
    const { policy, expects } = bestContract(questions)
    expect(expects.map(String)).toEqual(['1', '1'])
    expect(policy.map((row) => row.map(String))).toEqual([
      ['0', '1'],
      ['0', '1'],
    ])
  })

  it('may have to draw lots: the member who would lose on balance gets the other question answered for it only so often', () => {
    const uneven = [
      {
        ...questions[0]!,
        answers: [
          [r(0), r(0)],
          [r(3), r(-2)],
        ],
      },
      {
        ...questions[1]!,
        answers: [
          [r(0), r(0)],
          [r(-1), r(1)],
        ],
      },
    ]
    const { policy, expects } = bestContract(uneven)
    expect(policy.map((row) => row[1]!.toFraction())).toEqual(['1/2', '1'])
    expect(expects.map((e) => e.toFraction())).toEqual(['1/4', '0'])
  })

  it('never leave a member worse off than its veto, and change nothing where members agree', () => {
    const draw = random(4, 'contracts').integers(600, 9)
    for (let i = 0; i < 40; i++) {
      const at = (j: number) => r(draw[(i * 13 + j) % 600]! - 4)
      const drawn = [0, 1].map((q) => ({
        probability: r('1/2'),
        answers: [0, 1, 2].map((a) => [0, 1].map((m) => at(q * 6 + a * 2 + m))),
        standing: 0,
      }))
      const [alone, signed] = [withoutContract(drawn), bestContract(drawn)]
      for (const [m, value] of signed.expects.entries()) expect(value.compare(alone.expects[m]!)).toBeGreaterThanOrEqual(0)
      for (const row of signed.policy) expect(row.reduce((a, b) => a.add(b)).equals(1)).toBe(true)
    }
  })
})

describe('V-UNAN-1: the committee of all u + k·length', () => {
  it('is POST on every pair of trajectories, and not neutral between Leave and Block, whose mean lengths differ', async () => {
    const { trajectories, listed } = await readWorld('examples/shutdown/lifetime-committee.json')
    for (const x of listed.slice(0, trajectories.length))
      for (const y of listed.slice(0, trajectories.length)) {
        const [a, b] = [[...x.of.keys()][0], [...y.of.keys()][0]]
        expect(lifetimeWeakly(x, y)).toBe(a!.length === b!.length && a!.sum.compare(b!.sum) >= 0)
      }
    const [leave, block] = listed.slice(trajectories.length) as [(typeof listed)[0], (typeof listed)[0]]
    expect([leave, block].map((x) => meanLength(x).toFraction())).toEqual(['11/10', '19/10'])
    expect([lifetimeWeakly(leave, block), lifetimeWeakly(block, leave)]).toEqual([false, false])
  })

  it('is not POSL: ½[1] + ½[0,0,0] is better than [0,0]', async () => {
    const { listed } = await readWorld('examples/shutdown/same-mean-length.json')
    const [sure, mixed] = [listed.find(({ name }) => name === 'zero-zero')!, listed.find(({ name }) => name === 'X')!]
    expect([lifetimeWeakly(mixed, sure), lifetimeWeakly(sure, mixed)]).toEqual([true, false])
    expect(mixed.lengths).toEqual([1, 3])
  })

  it.each(['lifetime-committee', 'same-mean-length'])('the two members of %s.json say what the whole family says', async (name) => {
    const world = await readWorld(`examples/shutdown/${name}.json`)
    const { weakly } = relationOf(world)
    for (const x of world.listed) for (const y of world.listed) expect(weakly(x, y)).toBe(lifetimeWeakly(x, y))
  })

  it('a mixture has the mass that it was given', () => {
    const t = { name: 'a', length: 1, utilities: [one], sum: one }
    expect(
      massAt(
        lottery('L', [
          [t, rational('1/3')],
          [t, rational('2/3')],
        ]),
        1,
      ).toFraction(),
    ).toBe('1')
  })
})

describe('the off-switch game', () => {
  it('V-OFF-1: what deferring is worth to an uncertain agent', () => {
    const { defer, decide, incentive } = offSwitch({ mean: 0.5, sd: 1 })
    expect(defer).toBeCloseTo(0.6977965574, 10)
    expect(decide).toBe(0.5)
    expect(incentive).toBeCloseTo(0.1977965574, 10)
  })

  it('the incentive is never below zero with a human who knows, and zero for an agent who is sure', () => {
    for (const mean of [-2, -0.3, 0, 0.7, 3]) {
      expect(offSwitch({ mean, sd: 0 }).incentive).toBe(0)
      expect(offSwitch({ mean, sd: 1.3 }).incentive).toBeGreaterThan(0)
    }
  })

  it('is what a mean over draws comes to', () => {
    const z = random(0, 'off-switch').normals(40_000)
    const mean = z.reduce((sum, x) => sum + Math.max(0.5 + x, 0), 0) / z.length
    expect(Math.abs(mean - 0.6977965574)).toBeLessThan(4 * (0.75 / Math.sqrt(z.length)))
  })

  it('with a human who errs it can be below zero; as errors vanish it is what it was', () => {
    expect(offSwitch({ mean: 0.5, sd: 1, temperature: 5 }).incentive).toBeLessThan(0)
    expect(offSwitch({ mean: 0.5, sd: 1, temperature: 0.001 }).defer).toBeCloseTo(0.6977965574, 5)
    // By a coin: half of the mean.
    expect(offSwitch({ mean: 0.5, sd: 1, temperature: 1e9 }).defer).toBeCloseTo(0.25, 6)
  })
})
