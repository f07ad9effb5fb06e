import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { openPolicy } from './policy.ts'
import { treeLength } from './rows.ts'
import { scoreTrees, splitTree } from './score.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

const ids = fc.array(fc.nat(9), { minLength: 1, maxLength: 9 })

describe('a tree that is longer than the budget', () => {
  it('is split by its completions: all of them, in their order, no part longer unless it has a single one', () => {
    fc.assert(
      fc.property(ids, fc.array(ids, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), (prompt, completions, longest) => {
        const parts = splitTree({ prompt, completions }, longest)
        expect(parts.flatMap((part) => part.completions)).toEqual(completions)
        for (const part of parts) if (part.completions.length > 1) expect(treeLength(part)).toBeLessThanOrEqual(longest)
      }),
    )
  })

  it('has the log-probabilities that it has in one pass', async () => {
    const policy = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
    const said = (n: number, from: number) => Array.from({ length: n }, (_, i) => (7 * i + from) % 300)
    const trees = [
      { prompt: said(40, 1), completions: [said(9, 2), said(70, 3), said(30, 4), [5], said(60, 5)] },
      { prompt: said(3, 6), completions: [said(4, 7)] },
    ]
    const [whole, parts] = [await scoreTrees(policy, trees), await scoreTrees(policy, trees, { tokenBudget: 64 })]
    expect(whole).toHaveLength(6)
    for (const [i, logp] of parts.entries()) expect(Math.abs(logp - whole[i]!)).toBeLessThan(1e-3)
  })
})
