import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import type { Model } from './model.ts'
import { openModel } from './open-model.ts'
import { pooled } from './pooled.ts'

let model: Model
beforeAll(async () => {
  model = await openModel('fixtures/llama-tiny')
})
afterAll(() => model.close())

describe('one vector for each text', () => {
  const texts = ['Once upon a time', 'The fox', 'One day the fox met a small bird. They sang until the sun came up', 'a']
  const ids = () => texts.map((text) => model.tokenizer.encode(text))

  it.each(['embed', 'blocks.1.out', 'blocks.0.attn.z', 'blocks.1.mlp.act', 'final', 'norm.scale'])(
    '%s: the last token, and the mean of all, as read of each text alone',
    async (tap) => {
      const [last, mean] = [await pooled(model.policy, ids(), [tap], 'last'), await pooled(model.policy, ids(), [tap], 'mean')]
      for (const [i, text] of texts.entries()) {
        const { value } = await model.read(text, { value: tap })
        // Heads stand before tokens, or not at all.
        const heads = value.shape.length === 3 ? value.shape[0]! : 1
        const [tokens, width] = value.shape.slice(-2) as [number, number]
        const at = (token: number) =>
          Array.from({ length: heads * width }, (_, k) => value.data[(Math.floor(k / width) * tokens + token) * width + (k % width)]!)
        const rows = Array.from({ length: tokens }, (_, token) => at(token))
        const row = (of: typeof last) => [...of[tap]!.data.subarray(i * heads * width, (i + 1) * heads * width)]
        expectClose(row(last), rows.at(-1)!, tolerances.packed)
        expectClose(
          row(mean),
          rows[0]!.map((_, k) => rows.reduce((sum, one) => sum + one[k]!, 0) / tokens),
          tolerances.packed,
        )
      }
    },
  )

  it('refuses what has no vector for each token, and texts beyond the context', async () => {
    await expect(pooled(model.policy, ids(), ['blocks.0.attn.pattern'], 'last')).rejects.toThrow(
      'tap blocks.0.attn.pattern: must hold one vector',
    )
    await expect(pooled(model.policy, [[1], []], ['final'], 'last')).rejects.toThrow('text 2: must have 1 to 256 tokens, got 0')
  })
})
