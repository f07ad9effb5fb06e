import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyFrom, logpTable } from './logp-table.ts'

describe('logpTable', () => {
  const key = fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => [a * (2 ** 52 - 1), b] as const)

  it('is a map of its keys', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.double({ noNaN: true }))), (entries) => {
        const [table, map] = [logpTable(), new Map<string, number>()]
        for (const [one, logp] of entries) {
          table.set(one, logp)
          map.set(one.join(), logp)
        }
        for (const [one] of entries) expect(table.get(one)).toBe(map.get(one.join()))
        expect(table.get([7, 7])).toBeUndefined()
      }),
    )
  })

  it('keeps what is new, and lets go of what is old when it is told to', () => {
    const table = logpTable(1000)
    for (let i = 0; i < 5000; i++) {
      table.set([i, i], -i)
      table.trim()
    }
    expect([4999, 4001].map((i) => table.get([i, i]))).toEqual([-4999, -4001])
    expect(table.get([10, 10])).toBeUndefined()
  })

  it('takes 104 bits of a hash', () => {
    expect(keyFrom(`${'f'.repeat(13)}${'0'.repeat(12)}1${'a'.repeat(14)}`)).toEqual([2 ** 52 - 1, 1])
  })
})
