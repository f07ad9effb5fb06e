import { describe, expect, it } from 'vitest'
import { scoredAt } from '../../test/scored.ts'
import { constant, evaluate, gradient, graph, input, UserError } from '../graph/index.ts'
import { type Example, objectives } from './index.ts'

const { rewardSteps } = objectives

/** A completion of seven tokens whose steps end where they are said to. */
const example = (labels: readonly number[], ends: readonly number[]): Example => ({
  tree: { prompt: [1], completions: [[2, 3, 4, 5, 6, 7, 8]] },
  ...{ reference: [], label: 1 },
  steps: labels.map((label, k) => ({ end: ends[k]!, label })),
})

/** The mean loss of some steps among other tokens, its slopes by their scores, and the share with the sign of their label. */
function lossAt(scores: readonly number[], labels: readonly number[]) {
  const ends = scores.map((_, k) => 2 * k + 1)
  const tokens = 8
  const kind = rewardSteps().kind
  const given = { scores: input('scores', [tokens]), ...kind.inputs({ examples: 1, slots: 1, tokens, longest: 7 }) }
  const scored = { ...scoredAt(1, [], given), tokenLogps: given.scores, unit: constant(1 / scores.length) }
  const loss = rewardSteps().terms(scored).objective
  const { stepAccuracy } = rewardSteps().logged!(scored) as { stepAccuracy: typeof loss }
  const all = Float64Array.from({ length: tokens }, (_, i) => (ends.includes(i) ? scores[ends.indexOf(i)]! : 5 - i))
  const one = example(labels, ends)
  const fed = kind.given([one], { examples: 1, slots: 1, tokens, longest: 7 }, [], { now: [one], carried: [] })
  const values = evaluate(graph(given, { loss, stepAccuracy, slopes: gradient(loss, given.scores) }), {
    ...fed,
    scores: { dtype: 'f32', shape: [tokens], data: all },
  })
  const slopes = Array.from(values.slopes!.data)
  return {
    loss: values.loss!.data[0]!,
    accuracy: values.stepAccuracy!.data[0]!,
    slopes: ends.map((at) => slopes[at]!),
    elsewhere: slopes.filter((_, i) => !ends.includes(i)),
  }
}

describe('rewardSteps', () => {
  it.each(rewardSteps.definition.known)('$id: is $loss for $scores', ({ scores, labels, loss, slopes }) => {
    const seen = lossAt(scores, labels)
    expect(Math.abs(seen.loss - loss)).toBeLessThan(1e-9)
    const moved = (k: number, by: number) => lossAt(scores.with(k, scores[k]! + by), labels).loss
    for (const [k, slope] of seen.slopes.entries()) {
      expect(Math.abs(slope - slopes[k]!)).toBeLessThan(1e-9)
      expect(slope).toBeCloseTo((moved(k, 1e-5) - moved(k, -1e-5)) / 2e-5, 7)
    }
    expect(seen.elsewhere.every((slope) => slope === 0)).toBe(true)
  })

  it('counts a score on the side of its label, and half of one of 0', () => {
    expect(lossAt([0.4, -0.3, 0], [1, 1, 0]).accuracy).toBeCloseTo(0.5, 12)
  })

  it('reads a score at the last token of each step, and a step of the mean is a step, not a completion', () => {
    const two = [example([1, 0], [3, 7]), example([0], [2])]
    const { ends, stepLabels } = rewardSteps().kind.given(two, { examples: 2, slots: 2, tokens: 17, longest: 7 }, [], {
      now: two,
      carried: [],
    })
    expect([...ends!.data].flatMap((x, i) => (x === 1 ? [i] : []))).toEqual([3, 7, 10])
    expect([...stepLabels!.data].flatMap((x, i) => (x === 1 ? [i] : []))).toEqual([3])
    expect(two.map(rewardSteps().kind.weight)).toEqual([2, 1])
  })

  it('needs right and wrong steps', () => {
    expect(() => rewardSteps().kind.check!([example([1, 1], [3, 7])], rewardSteps())).toThrow(UserError)
    expect(() => rewardSteps().kind.check!([example([1, 0], [3, 7])], rewardSteps())).not.toThrow()
  })
})
