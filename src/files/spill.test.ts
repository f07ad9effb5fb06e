import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openSpill } from './spill.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-spill-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('openSpill', () => {
  it('gives back what was put aside, wherever it lies', () => {
    const spill = openSpill(join(folder, 'a'))
    // More than is held, in parts that cross blocks; a byte says which part it is of.
    const parts = Array.from({ length: 46 }, (_, i) => new Uint8Array(1_000_003).fill(i))
    const places = parts.map((part) => spill.append(part))
    expect(spill.length).toBe(46 * 1_000_003)
    for (const i of [45, 0, 3, 33, 34, 44, 4, 41]) {
      const [first, ...rest] = [spill.read(places[i]!, 1_000_003), spill.read(places[i]! + 1_000_000, 6)]
      expect(first.every((byte) => byte === i)).toBe(true)
      if (i < 45) expect([...rest[0]!]).toEqual([i, i, i, i + 1, i + 1, i + 1])
    }
    spill.close()
    expect(readdirSync(join(folder, 'a'))).toEqual([])
  })

  it('makes no file for little', () => {
    const spill = openSpill(join(folder, 'b'))
    expect([...spill.read(spill.append(Uint8Array.of(1, 2, 3)) + 1, 2)]).toEqual([2, 3])
    spill.close()
    expect(existsSync(join(folder, 'b'))).toBe(false)
  })
})
