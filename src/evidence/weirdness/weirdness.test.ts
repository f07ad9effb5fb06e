import { describe, expect, it } from 'vitest'
import { freshNet, outputsOf } from '../dense-net.ts'
import { stream } from '../stream.ts'
import { anyDirection, keptBy, moved, stitched, structural } from './changes.ts'
import { chinchillaLoss } from './chinchilla.ts'
import { cipherKept, encipher, roundsOf } from './cipher.ts'
import { blocks, leftOf, task } from './classifier.ts'
import { execute, programKept, programs } from './program.ts'

describe('XTEA', () => {
  it.each([
    [
      [0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f],
      [0x41424344, 0x45464748],
      [0x497df3d0, 0x72612cb5],
    ],
    [
      [0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f],
      [0x41414141, 0x41414141],
      [0xe78f2d13, 0x744341d8],
    ],
    [
      [0, 0, 0, 0],
      [0x41424344, 0x45464748],
      [0xa0390589, 0xf8b8efa5],
    ],
  ] as const)('enciphers as the public vectors say, key %j', (key, text, expected) => {
    expect(encipher(text, roundsOf(key))).toEqual(expected)
  })

  it('is nothing any more with a round less', () => {
    const { kept, hamming } = cipherKept(stream(0, 'cipher'), 5)
    expect(kept).toBe(0)
    expect(Math.abs(hamming - 0.5)).toBeLessThan(0.05)
  })
})

describe('programs', () => {
  it.each(programs.map((program) => [program.name, program] as const))('%s computes what it should', (_, { lines, inputs, truth }) => {
    for (let i = 2; i < 32; i++) {
      const given = [i, 34 - i].slice(0, inputs)
      expect(execute(lines, given)).toBe(truth(...given))
    }
  })

  it('end without a result where they do not end, and some changes break them', () => {
    expect(execute([['jump', 0]], [1])).toBeUndefined()
    expect(programKept(stream(0, 'programs'), 5)).toBeLessThan(0.6)
  })
})

describe('changes of a network', () => {
  const draw = stream(2, 'changes')
  const net = freshNet(blocks(6, 3, true), draw)
  const test = task(draw)(50, draw)

  it('are every swap and every deletion, of the parts that it has', () => {
    const { swaps, deletions, backwards } = structural(net)
    expect([swaps.length, deletions.length]).toEqual([2, 3])
    expect(deletions[0]!.layers).toHaveLength(4)
    expect(outputsOf(backwards, test.rows)).not.toEqual(outputsOf(net, test.rows))
  })

  it('are none where a network is stitched to itself or moved by nothing', () => {
    expect(outputsOf(stitched(net, net, 2), test.rows)).toEqual(outputsOf(net, test.rows))
    const same = moved(net, anyDirection(net, draw), 0)
    expect(keptBy(net, [same, net], test)).toEqual({ kept: 1, degradation: 0 })
  })

  it('leave a part of what is above chance', () => {
    expect(leftOf(1, 1)).toBe(1)
    expect(leftOf(0.9, 1 / 8)).toBe(0)
  })
})

describe('chinchillaLoss', () => {
  it('is V-CHIN-1', () => {
    expect(chinchillaLoss(70e9, 1.4e12)).toBeCloseTo(1.9366454706, 10)
  })
})
