import fc from 'fast-check'
import { expect, it } from 'vitest'
import { joinTrees } from './join-trees.ts'
import { treeLength } from './tree.ts'

const ids = fc.array(fc.nat(2), { minLength: 1, maxLength: 6 })
const trees = fc.array(fc.record({ prompt: fc.constantFrom([1], [1, 2], [3]), completions: fc.array(ids, { minLength: 1, maxLength: 3 }) }))

it('every tree is found again in one shared tree, and none grew beyond the longest allowed', () => {
  fc.assert(
    fc.property(trees, fc.integer({ min: 1, max: 40 }), (given, longest) => {
      const shared = joinTrees(given, longest)
      const found = shared.flatMap(({ tree, members, sides }) =>
        members.map(
          (member, i) => [member, { prompt: tree.prompt, completions: sides[i]!.map((side) => tree.completions[side]) }] as const,
        ),
      )
      expect(found.sort(([a], [b]) => a - b)).toEqual(given.map((tree, i) => [i, tree]))
      for (const { tree, members } of shared) {
        expect(new Set(tree.completions.map(String)).size).toBe(tree.completions.length)
        if (members.length > 1) expect(treeLength(tree)).toBeLessThanOrEqual(longest)
      }
    }),
  )
})

it('a ring of four takes one tree of four completions', () => {
  const [a, b, c, d] = [[1], [2, 2], [3], [4]] as const
  const ring = [
    [a, b],
    [b, c],
    [c, d],
    [d, a],
  ].map((completions) => ({ prompt: [9, 9], completions }))
  expect(joinTrees(ring, 100)).toEqual([
    {
      tree: { prompt: [9, 9], completions: [a, b, c, d] },
      members: [0, 1, 2, 3],
      sides: [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 0],
      ],
    },
  ])
})
