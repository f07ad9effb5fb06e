import { describe, expect, it } from 'vitest'
import { askJudge } from '../collect/ask-judge.ts'
import type { Judge, JudgedPair, Sample, Votes } from '../goals/index.ts'
import { alarmsOf } from './alarms/index.ts'
import { placeOf } from './place.ts'

const sample = (text: string): Sample => ({ prompt: 'Once', text, tokens: text.length, ended: true })
const pairs: JudgedPair[] = Array.from({ length: 76 }, (_, i) => ({
  a: sample(`${'a'.repeat(1 + ((7 * i) % 5))}${i}`),
  b: sample(`b${'b'.repeat((3 * i) % 5)}${i}`),
}))
const none = { estimate: 0, low: 0, high: 0.04, n: 76, unit: 'share' }

async function placeUnder(rule: (pair: JudgedPair) => Votes, order: 'half' | 'both' = 'half') {
  const judge: Judge = { name: 'rule', kind: 'command', about: '', votes: async (all) => all.map(rule) }
  const place = placeOf((await askJudge(judge, pairs, { seed: 5, order })).map((answer) => [answer]))!
  return {
    ...place.first,
    alarm: place.alarm,
    alarms: alarmsOf({ place, cut: none }).map(({ alarm, value, bound }) => [alarm, value, bound]),
  }
}

const longer = ({ a, b }: JudgedPair): Votes => (a.text.length > b.text.length ? [1, 0] : a.text.length < b.text.length ? [0, 1] : [1, 1])

describe('the share of votes for what stood first', () => {
  it.each(['half', 'both'] as const)('is all of them for a judge that sees nothing but the place, asked %s', async (order) => {
    const { estimate, low, n, alarms } = await placeUnder(() => [1, 0], order)
    expect([estimate, n]).toEqual([1, 76])
    expect(low).toBeGreaterThan(0.9)
    expect(alarms).toEqual([['judge.place', 1, 0.5]])
    expect((await placeUnder(() => [0, 1], order)).alarms).toEqual([['judge.place', 0, 0.5]])
  })

  it('raises no alarm for a judge of texts', async () => {
    const { low, high, alarm, alarms } = await placeUnder(longer)
    expect(low < 0.5 && 0.5 < high).toBe(true)
    expect([alarm, alarms]).toEqual([false, []])
    // In both orders it is exactly half.
    expect(await placeUnder(longer, 'both')).toMatchObject({ estimate: 0.5, alarm: false })
  })

  it('is unknown where nobody was asked', () => {
    expect(placeOf([[{ votes: [1, 1], askings: [] }]])).toBeUndefined()
  })
})

it('completions cut off at their limit are an alarm when they are many', () => {
  const cut = (estimate: number, low: number, high: number) => alarmsOf({ cut: { ...none, estimate, low, high } })
  expect(cut(0.15, 0.1, 0.25)).toEqual([])
  expect(cut(0.4, 0.3, 0.5)).toMatchObject([{ alarm: 'completions.cut', value: 0.4, low: 0.3, high: 0.5, bound: 0.2 }])
})
