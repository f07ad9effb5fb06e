import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/index.ts'
import { openMemory } from './memory.ts'

describe('memory', () => {
  it('gives zeros at multiples of 64, never at 0', () => {
    const { memory, allocate, release } = openMemory()
    const [a, b] = [allocate(1), allocate(100)]
    expect([a, b]).toEqual([64, 128])
    new Uint8Array(memory.buffer, b, 100).fill(7)
    release(b)
    expect(allocate(100)).toBe(b)
    expect(new Uint8Array(memory.buffer, b, 100).some((x) => x !== 0)).toBe(false)
  })

  it('joins neighbours that are free, whichever was released first', () => {
    const { allocate, release } = openMemory()
    const [a, b, c, d] = [allocate(64), allocate(64), allocate(64), allocate(64)]
    release(a)
    release(c)
    expect(allocate(128)).toBeGreaterThan(d) // two holes of 64 with b between them
    release(b)
    expect(allocate(192)).toBe(a)
  })

  it('gives back the end, so that what follows may be larger', () => {
    const { memory, allocate, release } = openMemory()
    const a = allocate(2 ** 20)
    const size = memory.buffer.byteLength
    release(a)
    expect(allocate(2 ** 20 + 64)).toBe(a)
    expect(memory.buffer.byteLength).toBe(size)
  })

  it('ignores what was never allocated, and a second release', () => {
    const { allocate, release } = openMemory()
    const [a, b] = [allocate(64), allocate(64)]
    release(a)
    release(a)
    release(12345)
    expect([allocate(64), allocate(64)]).toEqual([a, b + 64])
  })

  it('refuses more than 4 GiB and stays as it was', () => {
    const { allocate } = openMemory()
    const a = allocate(64)
    expect(() => allocate(5 * 2 ** 30)).toThrow(UserError)
    expect(() => allocate(5 * 2 ** 30)).toThrow(/^engine: .* must fit in 4 GiB, got 5\.0 GiB; /)
    expect(allocate(64)).toBe(a + 64)
  })

  it('never gives overlapping ranges, keeps what is written, and takes everything back', () => {
    const step = fc.oneof(fc.record({ bytes: fc.integer({ min: 0, max: 5000 }) }), fc.record({ release: fc.nat() }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { memory, allocate, release } = openMemory()
        const held: { offset: number; bytes: number; mark: number }[] = []
        let mark = 0
        for (const step of steps) {
          if ('bytes' in step) {
            const offset = allocate(step.bytes)
            expect(offset % 64).toBe(0)
            for (const other of held) expect(offset + step.bytes <= other.offset || other.offset + other.bytes <= offset).toBe(true)
            mark = (mark % 255) + 1
            new Uint8Array(memory.buffer, offset, step.bytes).fill(mark)
            held.push({ offset, bytes: step.bytes, mark })
          } else if (held.length > 0) {
            release(held.splice(step.release % held.length, 1)[0]!.offset)
          }
        }
        for (const { offset, bytes, mark } of held) expect(new Uint8Array(memory.buffer, offset, bytes).every((x) => x === mark)).toBe(true)
        for (const { offset } of held) release(offset)
        expect(allocate(64)).toBe(64)
      }),
      { numRuns: 200 },
    )
  })
})
