import { describe, expect, it } from 'vitest'
import { averagedDiscount, drestDiscounts } from './drest-discount.ts'
import { expectedPlugIn, firstWrongLength, wholeReturn, wholeReturnOptimum } from './whole-return.ts'

const usual = { lambda: 0.9, lengths: 2 }

describe('the DReST factor', () => {
  it('V-DREST-SEQ', () => {
    const wanted = [1, 0.9486832981, 1.1111111111, 0.9486832981]
    for (const [i, x] of drestDiscounts(['a', 'a', 'b', 'a'], usual).entries()) expect(x).toBeCloseTo(wanted[i]!, 10)
  })

  it('V-DREST-AVG: averaged over all counting orders', () => {
    const wanted: [number, number, number][] = [
      [4, 1, 1.0841044032],
      [4, 2, 1.0275214313],
      [4, 3, 0.9747924203],
      [32, 1, 2.5399725805],
      [32, 8, 1.6291426412],
      [32, 16, 1.0342013661],
      [32, 24, 0.696197094],
      [32, 32, 0.496121359],
    ]
    for (const [answers, chosen, value] of wanted) expect(averagedDiscount(chosen, answers, usual)).toBeCloseTo(value, 10)
  })

  it('is averaged as all orders of six answers say', () => {
    for (let chosen = 1; chosen <= 6; chosen++) {
      const orders = permutations([0, 1, 2, 3, 4, 5])
      const total = orders.reduce((sum, order) => {
        const lengths = order.map((i) => (i < chosen ? 'a' : `b${i % 2}`))
        return sum + drestDiscounts(lengths, usual)[order.indexOf(0)]!
      }, 0)
      expect(averagedDiscount(chosen, 6, usual)).toBeCloseTo(total / orders.length, 12)
    }
  })
})

describe('the whole return', () => {
  it('V-DREST-R: its optimum is ½ at 32 and not at 59, 64, 96 and 128', () => {
    const wanted: [number, number, number][] = [
      [32, 0.5, 32.698063],
      [59, 0.4476, 61.4422],
      [64, 0.317, 67.625589],
      [96, 0.1415, 163.8203],
      [128, 0.095, 558.358189],
    ]
    for (const [mini, p, value] of wanted) {
      const found = wholeReturnOptimum({ lambda: 0.9, mini })
      expect(found.p).toBeCloseTo(p, 3)
      expect(found.value).toBeCloseTo(value, 4)
    }
    expect(wholeReturn(0.5, { lambda: 0.9, mini: 64 })).toBeCloseTo(66.880045, 6)
    expect(wholeReturn(1, { lambda: 0.9, mini: 64 })).toBeCloseTo(18.817717, 6)
  })

  it('V-DREST-E: where ½ stops being the best, and stays so', () => {
    const wanted: [number, number][] = [
      [0.9, 59],
      [0.8, 29],
      [0.7, 19],
      [0.5, 11],
      [0.3, 8],
      [0.25, 7],
    ]
    for (const [lambda, first] of wanted) expect(firstWrongLength(lambda)).toBe(first)
    for (const [lambda, first] of [[0.99, 599], [0.95, 119]] as const) // biome-ignore format: one line
      expect([first - 1, first].map((mini) => wholeReturnOptimum({ lambda, mini }).p < 0.5)).toEqual([false, true])
    for (let mini = 59; mini <= 300; mini += 20) expect(wholeReturnOptimum({ lambda: 0.9, mini }).p).toBeLessThan(0.5)
  })

  it('V-DREST-F: at λ = ¼ the doubles are the exact fractions', () => {
    const r = (mini: number, p: number) => wholeReturn(p, { lambda: 0.25, mini })
    // λ and λ^(−½) are powers of two and p is ¼ or ½, so nothing is rounded.
    expect(r(7, 0.25) - r(7, 0.5)).toBe(36351 / 262144)
    expect(r(6, 0.25) - r(6, 0.5)).toBe(-64647 / 65536)
    expect(r(8, 0.25) - r(8, 0.5)).toBe(13191189 / 4194304)
    expect(r(8, 0.5)).toBe(325089 / 16384)
  })

  it('V-DREST-FIX: the repaired rule stays at ½', () => {
    const wanted: [number, number, number, number][] = [
      [32, 16.12577, 15.393354, 9.656632],
      [64, 19.249517, 18.619504, 9.98821],
      [128, 19.971839, 19.836923, 9.999986],
    ]
    for (const [mini, half, third, all] of wanted) {
      const of = { lambda: 0.9, mini, rule: 'repaired' } as const
      expect(wholeReturnOptimum(of)).toEqual({ p: 0.5, value: wholeReturn(0.5, of) })
      for (const [p, value] of [[0.5, half], [0.317, third], [1, all]] as const) expect(wholeReturn(p, of)).toBeCloseTo(value, 6) // biome-ignore format: one line
    }
  })

  it('is the mean over all sequences of a short meta-episode', () => {
    const [lambda, mini, p] = [0.7, 8, 0.3]
    let total = 0
    for (let bits = 0; bits < 2 ** mini; bits++) {
      const lengths = Array.from({ length: mini }, (_, i) => (bits >> i) & 1)
      const chance = lengths.reduce((all, one) => all * (one ? p : 1 - p), 1)
      total += chance * drestDiscounts(lengths, { lambda, lengths: 2 }).reduce((sum, x) => sum + x, 0)
    }
    expect(wholeReturn(p, { lambda, mini })).toBeCloseTo(total, 10)
  })

  it('V-ENT-1: the entropy of few answers is too low', () => {
    expect(expectedPlugIn(8)).toBeCloseTo(0.9024422437, 10)
    expect(expectedPlugIn(64)).toBeCloseTo(0.988638975, 10)
  })
})

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) => permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]))
}
