import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readGguf } from '../../dist/checkpoints/gguf/read.js'
import { loadAdapters, loadCheckpoint, readSafetensors } from '../../dist/checkpoints/index.js'
import { parseJson } from '../../dist/files/index.js'
import { readVotes } from '../../dist/goals/judges/votes-file.js'
import { readConfig } from '../../dist/models/config.js'
import { loadPairs } from '../../dist/preferences/index.js'
import { recipe } from '../../dist/recipe/index.js'
import { loadTokenizer, readChatTemplate } from '../../dist/text/index.js'

const fixture = (path) => fileURLToPath(new URL(`../../fixtures/${path}`, import.meta.url))
const text = (path) => readFileSync(fixture(path), 'utf8')
const lines = (rows) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`
const talk = [{ role: 'user', content: 'hi\n' }, { role: 'assistant', content: ' yo' }, { role: 'user', content: '🙂' }] // biome-ignore format: one list

/**
 * What is read, each with how a good input is spoilt and how it is then read: `make(choose)` gives what a failure shows of an input, and
 * `read()` reads it.
 */
export async function kindsIn(home, { spoilBytes, spoilJson, spoilText }) {
  const vocabulary = await loadCheckpoint(fixture('llama-tiny'))
  const adapter = join(home, 'adapter')
  const tokenizer = join(home, 'tokenizer')
  const model = join(home, 'model')
  cpSync(fixture('peft-lora'), adapter, { recursive: true })
  cpSync(fixture('family-llama'), model, { recursive: true })
  mkdirSync(tokenizer)
  const small = JSON.parse(text('llama-tiny/tokenizer.json'))
  const bpe = JSON.stringify({ ...small, model: { ...small.model, merges: small.model.merges.slice(0, 12) } })
  const steps = JSON.parse(text('tokenizer-steps/golden.json')).map((one) => JSON.stringify(one.tokenizer))
  const pieces = JSON.parse(text('jinja/golden.json')).pieces.map(({ piece }) => piece)
  const templates = [...pieces.filter((piece) => piece.length > 20)]
  const base = await loadCheckpoint(fixture('llama-tiny'))
  const file = (name, good, spoil, read) => ({
    make(choose) {
      const bad = spoil(typeof good === 'function' ? good(choose) : good, choose)
      writeFileSync(join(home, name), bad)
      return bad
    },
    read: () => read(join(home, name)),
  })
  const headerOf = (bytes) => 8 + Number(bytes.readBigUInt64LE(0))
  const weights = readFileSync(fixture('family-llama/model.safetensors'))
  const gguf = readFileSync(fixture('gguf-tiny/model.gguf'))
  const value = (good, spoil, read) => {
    let bad
    return { make: (choose) => (bad = spoil(typeof good === 'function' ? good(choose) : good, choose)), read: () => read(bad) }
  }
  const config = text('llama-tiny/config.json')
  const configs = ['gemma3-text', 'gpt2', 'gpt-neox', 'phi3', 'qwen3', 'smollm3'].map((name) => text(`family-${name}/config.json`))
  return {
    safetensors: file('x.safetensors', weights, (bytes, choose) => spoilBytes(bytes, headerOf(bytes), choose), readSafetensors),
    gguf: file('x.gguf', gguf, (bytes, choose) => spoilBytes(bytes, 24_000, choose), readGguf),
    tokenizer: file(
      'tokenizer/tokenizer.json',
      (choose) => choose.of([bpe, ...steps]),
      spoilJson,
      async () => {
        const { encode, decode } = await loadTokenizer(tokenizer)
        decode(encode('the cat 12, <s>🙂\u0085'))
      },
    ),
    config: value(
      (choose) => choose.of([config, ...configs]),
      spoilJson,
      (bad) => readConfig('config.json', parseJson('config.json', bad, 'mend it')),
    ),
    model: file('model/config.json', text('family-llama/config.json'), spoilJson, () => loadCheckpoint(model)),
    generation: file('model/generation_config.json', text('family-llama/generation_config.json'), spoilJson, async () => {
      writeFileSync(join(model, 'config.json'), text('family-llama/config.json'))
      await loadCheckpoint(model)
    }),
    template: value(
      (choose) => choose.of(templates),
      spoilText,
      (bad) => readChatTemplate('t', bad, { bos_token: '<s>' }).render(talk),
    ),
    adapter: file('adapter/adapter_config.json', text('peft-lora/adapter_config.json'), spoilJson, () =>
      loadAdapters(adapter, base.config),
    ),
    pairs: file('pairs.jsonl', lines([{ prompt: 'a b', chosen: ' c', rejected: ' d' }, { prompt: talk.slice(0, 1), chosen: talk.slice(1, 2), rejected: [{ role: 'assistant', content: '' }] }, { prompt: 'x', completion: 'y', label: true }, { prompt_ids: [1, 2], chosen_ids: [3], rejected_ids: [4], votes: [3, 1] }]), spoilText, (name) => loadPairs(name, vocabulary)), // biome-ignore format: one kind
    votes: file('votes.jsonl', lines([{ prompt: 'a', a: 'x', b: 'y', votes: [2, 1] }, { prompt: 'b', a: 'y', b: 'z', votes: [0, 5] }]), spoilText, readVotes), // biome-ignore format: one kind
    recipe: value(JSON.stringify({ model: 'm', seed: 3, preferences: { pairs: 'p.jsonl', heldOut: 0.2 }, objective: { name: 'dpo', beta: 0.1 }, train: { epochs: 3, batch: 4, lora: { rank: 2, alpha: 4 } }, rounds: 1 }), spoilJson, (bad) => recipe(parseJson('recipe', bad, 'mend it'))), // biome-ignore format: one kind
  }
}
