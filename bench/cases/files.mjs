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
const once = 'Once upon a time'
const penalised = [432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292, 411, 322, 265, 282]

/** A folder written as GGUF, and read again: it begins texts as the folder does, and goes on with the tokens that transformers gives for it. */
const writtenGguf = (name, ids) => ({
  name,
  before: ['convert', file(name), `${name}.gguf`],
  words: ['sample', '--model', `${name}.gguf`, '--prompts', 'once.jsonl', '--temperature', '0', '--max-tokens', '24'],
  files: { 'once.jsonl': `${JSON.stringify({ prompt: once })}\n` },
  right: `the file names its begin token; the tokens ${ids.join(' ')}`,
  judge(outcome) {
    const got = outcome.rows.find((row) => row.ids)?.ids ?? []
    const begin = outcome.code === 0 && outcome.file(`${name}.gguf`).includes('tokenizer.ggml.bos_token_id')
    return { gives: or(outcome, `${begin ? 'a' : 'no'} begin token; ${got.join(' ')}`), ok: begin && got.join() === ids.join() }
  },
})

/** The faulty files of ../shared/cases/files: models, adapters, GGUF files and tokenizers. */
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
  // A GPT-2 tokenizer's settings: they are laid over fixtures/family-gpt2.
  greedy(
    'tokcfg-gpt2-pfx',
    file('tokcfg-gpt2-pfx'),
    [71, 108, 71, 108, 15, 14, 14, 71],
    [],
    { 'cat.jsonl': '{"prompt": "cat hat"}\n' },
    'cat.jsonl',
  ),
  {
    name: 'gen-float',
    words: ['convert', file('gen-float'), 'gen-float'],
    right: 'numbers of generation_config.json stay 2.0, which transformers wants',
    judge(outcome) {
      const written = outcome.file('gen-float/generation_config.json')
      const found = written.match(/"(temperature|repetition_penalty|top_p)": [\d.]+/g) ?? []
      return { gives: or(outcome, found.join(', ')), ok: found.join() === '"temperature": 2.0,"repetition_penalty": 2.0,"top_p": 1.0' }
    },
  },
  {
    name: 'rep-greedy',
    words: ['complete', file('rep-greedy'), once, '--max-tokens', '24'],
    right: 'greedy with the penalty of 1.4, as the file says',
    judge(outcome) {
      const ids = outcome.last.ids ?? []
      return { gives: or(outcome, ids.join(' ')), ok: ids.join() === penalised.join() }
    },
  },
  writtenGguf(
    'gguf-write-v5-saved',
    [432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292, 411, 322, 265, 282],
  ),
  writtenGguf(
    'gguf-write-bos',
    [432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 335, 311, 267, 422, 419, 269, 311, 374],
  ),
  greedy('tok-split-invert', file('tok-split-invert'), [19, 142, 227, 49, 99, 26], [], {}, file('tok-split-invert/prompt.jsonl')),
  greedy('tok-split-merged', file('tok-split-merged'), [69, 115, 247, 110, 247, 60], [], {}, file('tok-split-merged/prompt.jsonl')),
  greedy('tok-unigram-bytes', file('tok-unigram-bytes'), [149, 168, 229, 61, 168, 229], [], {}, file('tok-unigram-bytes/prompt.jsonl')),
  refused('tok-single-word', file('tok-single-word'), 'single_word must be false'),
  refused('tokcfg-decoder', file('tokcfg-decoder'), 'added_tokens_decoder.50257 must be the next id'),
]
