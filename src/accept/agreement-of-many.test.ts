import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { agreementOfMany } from './agreement-of-many.ts'

// Four observers and twelve units, as Krippendorff 2011 prints them; a dot is nothing.
const observers = ['123321412...', '1233224125.3', '.33323422 51.'.replace(' ', ''), '1233244125 1.'.replace(' ', '')]
const printed = Array.from({ length: 12 }, (_, i) => ({ said: observers.map((row) => row[i]!).filter((mark) => mark !== '.') }))

describe('agreement of many', () => {
  it('is the α that its author prints for nominal data, 0.743', () => {
    const { alpha } = agreementOfMany(printed)
    expect(alpha.estimate).toBeCloseTo(0.743, 3)
    expect(alpha.n).toBe(11)
    expect(alpha.cannotTell).toMatch(/11 prompts are too few/)
  })

  it('of two judges is nearly their κ by equal margins, and falls by what chance reaches', () => {
    // Of 100 items 45 are a twice, 45 b twice, and 10 mixed: Scott's π is 1 − 0.1 / 0.5; α corrects for the 200 values.
    const said = [...Array(45).fill(['a', 'a']), ...Array(45).fill(['b', 'b']), ...Array(5).fill(['a', 'b']), ...Array(5).fill(['b', 'a'])]
    const { alpha, share } = agreementOfMany(said.map((one: string[]) => ({ said: one })))
    expect(share.estimate).toBeCloseTo(0.9, 12)
    expect(alpha.estimate).toBeCloseTo(1 - (0.1 * 199) / 100, 12)
    expect(alpha.low).toBeLessThan(0.74)
    expect(alpha.high).toBeGreaterThan(0.85)
  })

  it('has an interval that does not vanish where all agreed, and counts units', () => {
    const all = (copies: number) =>
      agreementOfMany(
        Array.from({ length: 30 * copies }, (_, i) => ({
          said: Array<string>(3).fill(i % 2 ? 'a' : 'b'),
          unit: `p${Math.floor(i / copies)}`,
        })),
      ).alpha
    expect(all(1)).toMatchObject({ estimate: 1, high: 1, n: 30 })
    expect(all(1).low).toBeLessThan(0.95)
    expect(all(4)).toMatchObject({ n: 30 })
  })

  it('cannot tell where all said one thing, and needs two units', () => {
    expect(agreementOfMany([{ said: ['a', 'a', 'a'] }, { said: ['a', 'a'] }]).alpha.cannotTell).toMatch(/one and the same thing/)
    expect(() => agreementOfMany([{ said: ['a', 'b'] }, { said: ['a'] }])).toThrow(UserError)
  })
})
