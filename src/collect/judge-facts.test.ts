import { describe, expect, it } from 'vitest'
import type { Spoken } from '../goals/index.ts'
import { judgeFacts } from './judge-facts.ts'

const said = (who: string, i: number, choice: Spoken['choice'], first?: 'a' | 'b', turned = false): Spoken => {
  const [a, b] = [`short ${i}`, `a longer text ${i}`]
  const turn = (side: string) => (side === 'a' ? 'b' : side === 'b' ? 'a' : side)
  return {
    ...{ who, prompt: `p${i}`, a: turned ? b : a, b: turned ? a : b, choice: (turned ? turn(choice) : choice) as Spoken['choice'] },
    ...(first ? { first: (turned ? turn(first) : first) as 'a' | 'b' } : {}),
  }
}
const thirty = Array.from({ length: 30 }, (_, i) => i)

describe('facts about judges', () => {
  it('compare answers on one pair whichever side was called a', () => {
    const { agreement } = judgeFacts([
      ...thirty.map((i) => said('ann', i, i % 3 ? 'a' : 'b', 'a')),
      ...thirty.map((i) => said('bob', i, i % 3 ? 'a' : 'b', 'b', true)),
    ])
    expect(agreement).toMatchObject([{ between: ['ann', 'bob'], pairs: 30, share: { estimate: 1 }, kappa: { estimate: 1 } }])
  })

  it('see a liking for a place in both orders, and one for length', () => {
    const { judges, agreement } = judgeFacts(thirty.flatMap((i) => [said('it', i, 'a', 'a'), said('it', i, 'b', 'b')]))
    expect(judges[0]).toMatchObject({ counts: { side: 60, skip: 0 }, first: { estimate: 1, n: 30 }, longer: { estimate: 0.5, n: 30 } })
    expect(agreement).toMatchObject([{ between: ['it', 'it, sides changed'], share: { estimate: 0 } }])
    expect(judgeFacts(thirty.map((i) => said('it', i, 'b'))).judges[0]).toMatchObject({ longer: { estimate: 1 } })
    expect(judgeFacts(thirty.map((i) => said('it', i, 'b'))).judges[0]).not.toHaveProperty('first')
  })

  it('say how three agree together, on what at least two judged', () => {
    const { together } = judgeFacts([
      ...thirty.map((i) => said('ann', i, i % 3 ? 'a' : 'b')),
      ...thirty.map((i) => said('bob', i, i % 3 ? 'a' : 'b', undefined, true)),
      ...thirty.slice(0, 10).map((i) => said('cy', i, 'tie')),
    ])
    expect(together).toMatchObject({ raters: 3, pairs: 30, share: { n: 30 }, alpha: { unit: 'α' } })
    expect(together!.share.estimate).toBeCloseTo((20 + 10 / 3) / 30, 12)
    expect(judgeFacts(thirty.map((i) => said('ann', i, 'a')))).not.toHaveProperty('together')
  })

  it('leave skips out of everything but their count', () => {
    const { judges, agreement } = judgeFacts(thirty.flatMap((i) => [said('ann', i, 'skip', 'a'), said('bob', i, 'b', 'a')]))
    expect(judges.map(({ counts }) => counts.skip)).toEqual([30, 0])
    expect([agreement, judges[0]!.first]).toEqual([[], undefined])
  })
})
