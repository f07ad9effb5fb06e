import { describe, expect, it } from 'vitest'
import { random } from '../../random/index.ts'
import type { Metrics } from '../../runs/index.ts'
import { alarms, alarmsOf, type Seen } from './index.ts'

const of = (estimate: number, low: number, high: number, unit = 'share') => ({ estimate, low, high, n: 60, unit })

/** Steps whose numbers move from one value to another with a little noise. */
function steps(n: number, ends: Readonly<Record<string, readonly [from: number, to: number]>>): Metrics[] {
  const noise = random(1, 'alarms')
  return Array.from({ length: n }, (_, i): Metrics => {
    const at = Object.entries(ends).map(([name, [from, to]]) => [name, from + ((to - from) * i) / (n - 1) + 0.02 * (noise.uniform() - 0.5)])
    return { round: 1, step: i + 1, loss: 0.7, gradNorm: 1, lr: 1e-3, tokensPerSecond: 1, ...Object.fromEntries(at) }
  })
}
const still = (n: number, nothing: number): Metrics[] => steps(n, {}).map((row, i) => ({ ...row, gradNorm: i < nothing ? 0 : 1 }))
const weight = (mean: number, fighting: boolean) => ({
  goal: 'kind',
  prior: { mean: 0.5, sd: 0.3 },
  posterior: { mean: 0, low: -1, high: 1 },
  votes: { mean, sd: 0.1, z: mean / 0.1 },
  fighting,
})
const bits = { prior: 1, data: 1, moved: 1, sharpened: 0, saved: 1, savedByPrior: 0 }
const contribution = (mean: number, fighting: boolean) => ({ strength: 5, votes: 9, bits, weights: [weight(mean, fighting)], fighting: [] })
const rounds = (reward: readonly number[], gold: readonly number[]) =>
  reward.map((x, i) => ({ round: i + 1, reward: of(x, x - 0.1, x + 0.1), gold: of(gold[i]!, gold[i]! - 0.1, gold[i]! + 0.1, 'sd') }))
const twin = (estimate: number) => ({ of: 'kind', by: 'samples' as const, why: 'gold goes with kind', correlation: of(estimate, 0.85, 0.99, 'correlation') }) // biome-ignore format: one line
const place = (estimate: number, low: number, high: number) => ({ first: { estimate, low, high, n: 60 }, alarm: low > 0.5 || high < 0.5 })

/** For every alarm what raises it, and what is near it and must not. */
const cases: Readonly<Record<string, { readonly fires: readonly Seen[]; readonly silent: readonly Seen[] }>> = {
  'judge.place': {
    fires: [{ place: place(0.7, 0.6, 0.8) }, { place: place(0.2, 0.1, 0.3) }],
    silent: [{ place: place(0.55, 0.45, 0.65) }],
  },
  'judge.gap': { fires: [{ gap: of(0.4, 0.2, 0.6) }], silent: [{ gap: of(0.2, 0.05, 0.4) }, { gap: of(0, -0.1, 0.1) }] },
  'reward.runaway': {
    fires: [{ rewarded: rounds([0.5, 0.9, 1.4], [0.3, 0.6, 0.1]) }],
    silent: [
      { rewarded: rounds([0.5, 0.9, 1.4], [0.3, 0.6, 0.5]) },
      { rewarded: rounds([0.5, 0.9, 0.8], [0.3, 0.6, 0.1]) },
      { rewarded: rounds([0.5], [-1]) },
    ],
  },
  'reward.doubt': { fires: [{ doubt: of(3, 2.5, 3.5, 'ratio') }], silent: [{ doubt: of(2.2, 1.8, 2.6, 'ratio') }] },
  'reward.length': {
    fires: [{ length: of(0.8, 0.6, 0.9, 'correlation') }, { length: of(-0.8, -0.9, -0.6, 'correlation') }],
    silent: [{ length: of(0.6, 0.4, 0.8, 'correlation') }, { length: of(0, -1, 1, 'correlation') }],
  },
  'gold.twin': { fires: [{ twins: [twin(0.9)] }], silent: [{ twins: [] }] },
  'prior.fights': { fires: [{ contribution: contribution(-0.6, true) }], silent: [{ contribution: contribution(0.2, false) }] },
  'chosen.falling': {
    fires: [{ metrics: steps(12, { chosenLogRatio: [0, -8], margin: [0, 6] }) }, { displacement: of(4, 2, 6, 'nats') }],
    silent: [
      { metrics: steps(12, { chosenLogRatio: [0, 4], margin: [0, 6] }) },
      { metrics: steps(12, { chosenLogRatio: [0, -0.5] }) },
      { metrics: steps(5, { chosenLogRatio: [0, -8] }) },
      { displacement: of(2, 0.5, 4, 'nats') },
      // What is held out is asked before what is trained on.
      { metrics: steps(12, { chosenLogRatio: [0, -8] }), displacement: of(0.2, -0.1, 0.5, 'nats') },
    ],
  },
  'length.bias': {
    fires: [
      { metrics: steps(9, { chosenTokens: [60, 64], rejectedTokens: [40, 44] }) },
      { metrics: steps(9, { chosenTokens: [30, 30], rejectedTokens: [50, 50] }) },
    ],
    silent: [{ metrics: steps(9, { chosenTokens: [52, 50], rejectedTokens: [50, 52] }) }, { metrics: steps(9, {}) }],
  },
  'signal.none': {
    fires: [{ metrics: still(20, 10) }, { metrics: still(8, 8) }],
    silent: [{ metrics: still(20, 2) }, { metrics: still(20, 0) }],
  },
  'training.diverges': {
    fires: [{ metrics: steps(12, { loss: [0.7, 2] }) }, { metrics: steps(12, { loss: [-1, 1] }) }],
    silent: [{ metrics: steps(12, { loss: [0.7, 0.3] }) }, { metrics: steps(12, { loss: [0.7, 0.72] }) }, { metrics: steps(12, {}) }],
  },
  'sampler.apart': { fires: [{ apart: of(0.1, 0.05, 0.15, 'nats per token') }], silent: [{ apart: of(1e-6, 0, 1e-5, 'nats per token') }] },
  'groups.alike': {
    fires: [{ metrics: steps(36, { zeroVarianceGroups: [0.7, 0.9] }) }],
    silent: [{ metrics: steps(18, { zeroVarianceGroups: [0.9, 0.1] }) }, { metrics: steps(5, { zeroVarianceGroups: [0.9, 0.9] }) }],
  },
  'entropy.collapse': {
    fires: [{ metrics: steps(12, { entropy: [2, 0.2] }) }],
    silent: [
      { metrics: steps(12, { entropy: [2, 1.8] }) },
      { metrics: steps(12, { entropy: [1, 2] }) },
      { metrics: steps(5, { entropy: [2, 0] }) },
    ],
  },
  'ratio.clipped': {
    fires: [{ metrics: steps(18, { clipShare: [0, 0.9] }) }],
    silent: [{ metrics: steps(18, { clipShare: [0.9, 0.1] }) }, { metrics: steps(18, { clipShare: [0, 0] }) }],
  },
  'completions.cut': { fires: [{ cut: of(0.5, 0.4, 0.6) }], silent: [{ cut: of(0.25, 0.15, 0.35) }] },
}

describe('every alarm', () => {
  it('has a case that raises it and one that must not', () => {
    expect(alarms.map(({ name }) => name).toSorted()).toEqual(Object.keys(cases).toSorted())
    for (const { about, remedy } of alarms) expect([about, remedy]).not.toContain('')
  })

  it.each(Object.entries(cases))('%s', (name, { fires, silent }) => {
    for (const seen of fires) {
      const [found, ...others] = alarmsOf(seen)
      expect(others).toEqual([])
      expect(found!.alarm).toBe(name)
      // The whole interval lies beyond the bound.
      expect(found!.low > found!.bound || found!.high < found!.bound).toBe(true)
    }
    for (const seen of silent) expect(alarmsOf(seen)).toEqual([])
  })

  it('of nothing seen none is raised', () => {
    expect(alarmsOf({})).toEqual([])
  })
})
