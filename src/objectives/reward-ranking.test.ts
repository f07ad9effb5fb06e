import { describe, expect, it } from 'vitest'
import { evaluate, gradient, graph, input, sum, UserError } from '../graph/index.ts'
import { type Example, objectives } from './index.ts'
import { rankingLoss } from './reward-ranking.ts'

/** The loss of one ranking, and its slope by each score. */
function lossAt(scores: readonly number[]) {
  const given = input('scores', [scores.length])
  const loss = sum(rankingLoss(given, 1))
  const values = evaluate(graph({ scores: given }, { loss, slopes: gradient(loss, given) }), {
    scores: { dtype: 'f32', shape: [scores.length], data: Float64Array.from(scores) },
  })
  return { loss: values.loss!.data[0]!, slopes: Array.from(values.slopes!.data) }
}

describe('rewardRanking', () => {
  const { rewardRanking } = objectives

  it.each(rewardRanking.definition.known)('$id: is $loss for $scores', ({ scores, loss }) => {
    const seen = lossAt(scores)
    expect(Math.abs(seen.loss - loss)).toBeLessThan(1e-9)
    const moved = (k: number, by: number) => lossAt(scores.with(k, scores[k]! + by)).loss
    for (const [k, slope] of seen.slopes.entries()) expect(slope).toBeCloseTo((moved(k, 1e-5) - moved(k, -1e-5)) / 2e-5, 7)
  })

  it('does not see where a scale begins, and of two is the loss of a pair', () => {
    expect(lossAt([3.2, 2.3, 1.5]).loss).toBeCloseTo(lossAt([1.2, 0.3, -0.5]).loss, 12)
    expect(lossAt([0.4, -0.7]).loss).toBeCloseTo(Math.log1p(Math.exp(-1.1)), 12)
  })

  it('puts completions in the order of their rewards, and refuses ties', () => {
    const example = (rewards: readonly number[]): Example => ({
      tree: { prompt: [1], completions: rewards.map((_, i) => [2 + i]) },
      ...{ reference: [], label: 1, rewards },
    })
    const { kind } = rewardRanking()
    const size = { examples: 2, slots: 5, tokens: 12, longest: 3 }
    const { order, ends } = kind.given([example([0.1, 0.3, 0.2]), example([2, 1])], size, [], { now: [], carried: [] })
    expect([...order!.data]).toEqual([1, 2, 0, 3, 4])
    expect([...ends!.data]).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0])
    expect(() => kind.check!([example([1, 1])], rewardRanking())).toThrow(UserError)
  })
})
