import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readGeneration } from './generation.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-generation-'))
afterAll(() => rmSync(folder, { recursive: true }))
const read = (json: object) => {
  writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(json))
  return readGeneration(folder, 'config.json', { eos_token_id: 3 })
}

describe('generation_config.json', () => {
  // What transformers 5's generate does: do_sample decides, the penalty is there either way, and top_k is 50 unless it is said.
  it.each<[string, object, object]>([
    [
      'greedy, with its penalty',
      { do_sample: false, repetition_penalty: 1.4, temperature: 0.7 },
      { temperature: 0, repetitionPenalty: 1.4 },
    ],
    ['sampled', { do_sample: true, temperature: 0.6, top_p: 0.9, min_p: 0.1 }, { temperature: 0.6, topK: 50, topP: 0.9, minP: 0.1 }],
    ['all tokens, for top_k 0', { do_sample: true, top_k: 0 }, {}],
    ['nothing said', {}, {}],
    ['a penalty without do_sample', { repetition_penalty: 1.2, temperature: 0.1 }, { repetitionPenalty: 1.2 }],
  ])('%s', async (_, json, sampling) => {
    expect((await read(json)).sampling).toEqual(sampling)
  })

  it('refuses an end token in config.json that is none', async () => {
    await expect(readGeneration(join(folder, 'none'), 'config.json', { eos_token_id: 'silu' })).rejects.toThrow(
      'config.json: eos_token_id: Invalid input, got "silu"',
    )
  })

  it('says that nothing is said of sampling, and what is not honoured', async () => {
    expect(
      (await read({ do_sample: true, typical_p: 1, num_beams: 1, suppress_tokens: [], use_cache: true, pad_token_id: 0 })).notes,
    ).toEqual([])
    expect([(await read({})).saysHow, (await read({ do_sample: false })).saysHow]).toEqual([false, true])
    const { notes } = await read({ do_sample: false, no_repeat_ngram_size: 3, suppress_tokens: [7], typical_p: 0.5 })
    expect(notes).toEqual([
      'generation_config.json: no_repeat_ngram_size is not honoured, 3',
      'generation_config.json: suppress_tokens is not honoured, [7]',
      'generation_config.json: typical_p is not honoured, 0.5',
    ])
  })
})
