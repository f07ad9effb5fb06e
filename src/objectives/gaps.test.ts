import { describe, expect, it } from 'vitest'
import { numbers, scoredAt } from '../../test/scored.ts'
import { evaluate, gradient, graph, input, sum, tensor } from '../graph/index.ts'
import { dpo } from './dpo.ts'
import { keepGaps } from './gaps.ts'
import { ipo } from './ipo.ts'
import type { Scored } from './objective.ts'
import { simpo } from './simpo.ts'

/** Three pairs: an ordinary one, a tie, a gap; log-probabilities chosen, rejected, chosen, … */
const logps = [-12, -15, -10, -14, -9, -6]
const points = logps.map((logp, i) => ({ logp, reference: [-13, -14, -12, -12, -10, -8][i]!, length: 5 }))
const weight = 0.3

/** The losses, and the slope of each in each log-probability. */
function measured(objective: ReturnType<typeof dpo>) {
  const x = input('x', [6])
  const scored: Scored = { ...scoredAt(3, points, { labels: numbers([1, 0.5, 0.5]), gaps: numbers([0, 0, 1]) }), logps: x }
  const { losses } = objective.terms(scored)
  const [slope] = [gradient(sum(losses), { x }).x]
  const made = evaluate(graph({ x }, { losses, slope: slope! }), { x: tensor(Float64Array.from(logps), [6]) })
  return { losses: [...made.losses!.data], slopes: [...made.slope!.data] }
}

describe('a gap', () => {
  it('keeps its log-ratio and has no order; a tie pulls its margin to 0; other pairs are as before', () => {
    for (const objective of [dpo(), ipo({ form: 'sums' })]) {
      const [kept, plain] = [measured(keepGaps(objective, weight)), measured(objective)]
      expect(kept.losses.slice(0, 2)).toEqual(plain.losses.slice(0, 2))
      expect(kept.slopes.slice(0, 4)).toEqual(plain.slopes.slice(0, 4))
      // The tie's margin is 2 − (−2) = 4, and falls.
      expect(plain.slopes[2]).toBeGreaterThan(0)
      // The gap's is 1 − 2 = −1: weight · m², slope 2 · weight · m.
      expect(kept.losses[2]).toBeCloseTo(weight, 12)
      expect(kept.slopes[4]).toBeCloseTo(-2 * weight, 12)
      expect(kept.slopes[5]).toBeCloseTo(2 * weight, 12)
    }
  })

  it('where policy = reference it loses nothing', () => {
    const example = (gap?: true) => ({ tree: { prompt: [1], completions: [[2], [3]] }, reference: [0, 0], label: 0.5, ...(gap && { gap }) })
    expect(keepGaps(dpo(), weight).atStart([example(), example(true)])).toBeCloseTo(Math.LN2 / 2, 12)
  })

  it('needs a reference', () => {
    expect(() => keepGaps(simpo(), weight)).toThrow(/gap.weight: must go with an objective of pairs that reads a reference, got simpo/)
  })
})
