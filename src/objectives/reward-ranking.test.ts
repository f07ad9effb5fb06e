import { describe, expect, it } from 'vitest'
import { constant, evaluate, gradient, graph, input, sum, UserError, type Value } from '../graph/index.ts'
import { type Example, objectives, pairLosses } from './index.ts'
import { rankingLoss } from './reward-ranking.ts'
import { side } from './side.ts'

/** The loss of one ranking, and its slope by each score. */
function lossAt(scores: readonly number[]) {
  const given = input('scores', [scores.length])
  const loss = sum(rankingLoss(given, 1))
  const values = evaluate(graph({ scores: given }, { loss, slopes: gradient(loss, given) }), {
    scores: { dtype: 'f32', shape: [scores.length], data: Float64Array.from(scores) },
  })
  return { loss: values.loss!.data[0]!, slopes: Array.from(values.slopes!.data) }
}

describe('a margin of each row', () => {
  const { rewardModel } = objectives
  const margins = [0.5, -0.2, 0]
  const scores = [1.2, 0.3, -0.4, 0.9, 0.1, 0.6]
  const at = (given: readonly number[], q: readonly number[]) => {
    const [a, b, margin] = [0, 1, 2].map((k) => input(`${k}`, [3])) as [Value, Value, Value]
    const one = (logp: Value) => side({ logp, length: constant(1, [3]) })
    const objective = rewardModel()
    const labels = input('q', [3])
    const losses = pairLosses(objective, { chosen: one(a), rejected: one(b), margin }, labels)
    const f64 = (data: readonly number[]) => ({ dtype: 'f32' as const, shape: [3], data: Float64Array.from(data) })
    const every = (k: number) => f64([k, k + 2, k + 4].map((i) => given[i]!))
    const values = evaluate(graph({ '0': a, '1': b, '2': margin, q: labels }, { losses, slopes: gradient(sum(losses), a) }), {
      ...{ '0': every(0), '1': every(1), '2': f64(margins), q: f64(q) },
    })
    return { losses: [...values.losses!.data], slopes: [...values.slopes!.data] }
  }

  it('V-BT-1: is what the winning side must be ahead by, whichever it is', () => {
    const { losses, slopes } = at(scores, [1, 1, 0.25])
    expect(Math.abs(losses[0]! - 0.5130152524)).toBeLessThan(1e-9)
    expect(losses[1]).toBeCloseTo(Math.log1p(Math.exp(1.3 - 0.2)), 12)
    expect(losses[2]).toBeCloseTo(0.25 * Math.log1p(Math.exp(0.5)) + 0.75 * Math.log1p(Math.exp(-0.5)), 12)
    const other = at(scores, [0, 1, 1]).losses[0]
    expect(other).toBeCloseTo(Math.log1p(Math.exp(0.9 + 0.5)), 12)
    const moved = (i: number, by: number) => at(scores.with(2 * i, scores[2 * i]! + by), [1, 1, 0.25]).losses[i]!
    for (const [i, slope] of slopes.entries()) expect(slope).toBeCloseTo((moved(i, 1e-5) - moved(i, -1e-5)) / 2e-5, 7)
  })

  it('comes from the rows of a micro-batch, 0 where a row has none', () => {
    const pair = { tree: { prompt: [1], completions: [[2], [3]] }, reference: [], label: 1 }
    const size = { examples: 2, slots: 4, tokens: 8, longest: 2 }
    const { margins } = rewardModel().kind.given([{ ...pair, margin: 0.5 }, pair], size, [], { now: [pair], carried: [] })
    expect([...margins!.data]).toEqual([0.5, 0])
  })
})

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
