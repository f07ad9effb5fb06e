import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { loadCheckpoint } from 'innate/checkpoints'
import { cacheFolder } from 'innate/files'
import { describe, expect, it } from 'vitest'

const cached = existsSync(join(cacheFolder(), 'models', 'stories15m'))
const prompts = new URL('../fixtures/stories15m/prompts.json', import.meta.url)

describe.skipIf(!cached)(
  `stories15m${cached ? '' : ' (not run here: the model is not in the cache, `npm start` fetches it)'}`,
  async () => {
    const model = cached ? await loadCheckpoint('stories15m') : undefined

    it('is the model it was converted to, and ends a story with <s>', () => {
      expect(model!.hash).toBe('005e0eeec85981c888d236c7d642f73e5c57efe49fdfd8326488d0ac5afe16d1')
      expect(model!.config).toMatchObject({
        vocabSize: 32_000,
        hiddenSize: 288,
        layers: 6,
        heads: 6,
        headDim: 48,
        contextLength: 256,
        tied: true,
      })
      expect(model!.eosIds).toEqual([1])
      expect(model!.tokenizer.pieces(model!.eosIds)).toEqual(['<s>'])
    })

    it('tokenises as llama2.c and SentencePiece do', () => {
      const golden = JSON.parse(readFileSync(prompts, 'utf8')).prompts as { text: string; ids: number[] }[]
      expect(golden.length).toBeGreaterThanOrEqual(60)
      for (const { text, ids } of golden) expect({ text, ids: model!.tokenizer.encode(text) }).toEqual({ text, ids })
    })

    it('says back what it was told', () => {
      const text = fc.string({
        unit: fc.oneof(fc.constantFrom(' ', '\n', 'the', '🦄', '\0', '.'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
      })
      fc.assert(
        fc.property(
          text.filter((t) => !t.includes('▁')),
          (given) => {
            expect(model!.tokenizer.decode(model!.tokenizer.encode(given))).toBe(given)
          },
        ),
        { numRuns: 300 },
      )
    })
  },
)
