import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import type { Evaluation } from '../runs/schema.ts'
import { atLeast, atMost, between, judgeCriteria } from './criteria.ts'
import { tail } from './mean-interval.ts'
import { meanOf } from './metrics.ts'
import { stopMeasures, stopRisk } from './stop-risk.ts'
import { decide } from './verdict.ts'

describe('the risk of a stop rule', () => {
  it('is 2.5 % in equal parts over looks and ends of bounds', () => {
    expect(stopRisk({ rounds: 3, guards: { a: atLeast(0), b: between(0, 1) }, klBudget: 5 })).toBeCloseTo(0.025 / (4 * 5), 15)
    expect(stopRisk({ rounds: 1, gold: false })).toBeCloseTo(0.025 / 2, 15)
    expect(stopMeasures({ guards: { a: atLeast(0) }, klBudget: 5, gold: false })).toEqual(['a', 'klFromReference'])
  })

  it('a good model, whose truths lie at every guard, is stopped by one of them in at most 2.5 % of runs; without the correction in more', () => {
    const [runs, n, truth] = [400, 60, 0.7]
    const rules = { rounds: 4, gold: false, guards: { a: atLeast(truth), b: atLeast(truth), c: atMost(truth) } }
    const rejected = (risk: number) => {
      const source = random(7, 'good models')
      let count = 0
      for (let run = 0; run < runs; run++) {
        const evaluations: Evaluation[] = []
        for (let round = 1; round <= rules.rounds; round++) {
          const share = (which: number, at: number) => {
            const seen = Array.from({ length: n }, (_, i) => [source.uniform(run, (4 * round + which) * n + i) < truth ? 1 : 0])
            return meanOf('share', seen, 'share', [0, 1], at)
          }
          const stops = { a: share(0, risk), b: share(1, risk), c: share(2, risk) }
          // What is demanded is not met before the last round, so that every look is taken.
          const measures = { ...stops, win: share(3, tail) }
          const criteria = judgeCriteria({ win: atLeast(0.99) }, measures)
          evaluations.push({ round, look: 'development', prompts: n, criteria, measures, stops, correlations: [] })
          const decision = decide(evaluations, rules)
          if (decision.next !== 'stop') continue
          if (decision.verdict.verdict === 'rejected') count++
          break
        }
      }
      return count / runs
    }
    expect(rejected(stopRisk(rules))).toBeLessThanOrEqual(0.025)
    expect(rejected(tail)).toBeGreaterThan(0.05)
  })
})
