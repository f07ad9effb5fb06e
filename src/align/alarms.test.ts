import { describe, expect, it } from 'vitest'
import { alarmsOf } from './alarms.ts'

const of = (estimate: number, low: number, high: number) => ({ estimate, low, high, n: 60, unit: 'share' })

describe('the alarm of a judge that is pleased by what gold does not see', () => {
  it('is raised where the whole interval lies above a tenth, and not for a judge that agrees with gold', () => {
    const cut = of(0, 0, 0.1)
    expect(alarmsOf({ place: undefined, cut, gap: of(0.4, 0.2, 0.6) })).toMatchObject([{ alarm: 'judge.gap', value: 0.4, bound: 0.1 }])
    expect(alarmsOf({ place: undefined, cut, gap: of(0.2, 0.05, 0.4) })).toEqual([])
    expect(alarmsOf({ place: undefined, cut, gap: of(0, -0.1, 0.1) })).toEqual([])
    expect(alarmsOf({ place: undefined, cut })).toEqual([])
  })
})
