import { fileURLToPath } from 'node:url'

const file = (path) => `../shared/cases/files/${path}`
const fixture = fileURLToPath(new URL('../../fixtures/family-llama', import.meta.url))
const or = (outcome, gives) => (outcome.code === 0 ? gives : `exit ${outcome.code}: ${outcome.error}`)

/** Greedy ids after a prompt, as transformers or llama.cpp gives them. */
const greedy = (name, model, ids, more = [], files = { 'ids.jsonl': '{"prompt_ids": [1, 5, 9, 30]}\n' }, prompts = 'ids.jsonl') => ({
  name,
  words: ['sample', '--model', model, '--prompts', prompts, '--temperature', '0', '--max-tokens', String(ids.length), ...more],
  files,
  right: `the tokens ${ids.join(' ')}`,
  judge(outcome) {
    const got = outcome.rows.find((row) => row.ids)?.ids ?? []
    return { gives: or(outcome, got.join(' ')), ok: outcome.code === 0 && got.join() === ids.join() }
  },
})
const refused = (name, model, says) => ({
  name,
  words: ['sample', '--model', model, '--prompts', 'ids.jsonl', '--max-tokens', '1'],
  files: { 'ids.jsonl': '{"prompt": "concat a cat cats"}\n' },
  right: `refused: ${says}`,
  judge: (outcome) => ({ gives: or(outcome, 'accepted'), ok: outcome.code === 2 && outcome.error.includes(says) }),
})
/** The faulty files of ../shared/cases/files: models, adapters, GGUF files and tokenizers; templates are held against Jinja 2 in the tests. */
export const fileCases = [
  greedy('cfg-llama-both', file('cfg-llama-both'), [11, 33, 95, 5, 5, 72, 75, 56]),
  greedy('qwen3-yarn-added', file('qwen3-yarn-added'), [73, 73, 73, 73, 100, 61, 42, 4]),
  greedy('i64-buffer', file('i64-buffer'), [11, 33, 30, 31, 45, 33, 95, 80]),
  greedy('tied-own-head', file('tied-own-head'), [92, 79, 4, 108, 67, 67, 67, 108]),
  greedy('gemma3-image-token', file('gemma3-image-token'), [47, 109, 32, 57, 53, 79, 90, 90]),
  greedy('peft-alpha-regex', fixture, [93, 75, 87, 56, 61, 71, 24, 24], ['--adapter', file('peft-alpha-regex')]),
  greedy('peft-rank-regex', fixture, [75, 56, 0, 75, 106, 75, 99, 93], ['--adapter', file('peft-rank-regex')]),
  greedy('gguf-bos', file('gguf-bos/m.gguf'), [134, 134, 232, 232, 232, 232, 232, 116]),
  greedy('gguf-empty', file('gguf-empty/m.gguf'), [134, 134, 232, 232, 232, 232, 232, 116]),
  greedy('gguf-split', file('gguf-split/m-00001-of-00003.gguf'), [134, 134, 232, 232, 232, 232, 232, 116]),
  greedy('gguf32-ropefreqs-orig64', file('gguf32-ropefreqs-orig64/m.gguf'), [164, 42, 148, 291, 212]),
  greedy('gguf32-yarn-attn', file('gguf32-yarn-attn/m.gguf'), [164, 235, 17, 49, 116]),
  refused('gguf-endless', file('gguf-endless/m.gguf'), 'block_count must be the 2 blocks that have tensors'),
  greedy('tok-split-invert', file('tok-split-invert'), [19, 142, 227, 49, 99, 26], [], {}, file('tok-split-invert/prompt.jsonl')),
  greedy('tok-split-merged', file('tok-split-merged'), [69, 115, 247, 110, 247, 60], [], {}, file('tok-split-merged/prompt.jsonl')),
  greedy('tok-unigram-bytes', file('tok-unigram-bytes'), [149, 168, 229, 61, 168, 229], [], {}, file('tok-unigram-bytes/prompt.jsonl')),
  refused('tok-single-word', file('tok-single-word'), 'single_word must be false'),
  refused('tokcfg-decoder', file('tokcfg-decoder'), 'added_tokens_decoder.50257 must be the next id'),
]
