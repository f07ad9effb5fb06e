import { readPromptFile } from '../align/index.ts'
import { openEngine } from '../engine/index.ts'
import { loadAdapters, loadCheckpoint, openPolicy, sampleCompletions } from '../models/index.ts'
import { command, decimal, integer, text } from './command.ts'

/** Lets a model complete prompts. */
export const sample = command({
  name: 'sample',
  about: 'Let a model complete prompts; log-probabilities are those of the full softmax at temperature 1, however it is sampled.',
  flags: {
    model: text('model by name or folder', { default: 'stories15m', shown: 'M' }),
    adapter: text('folder of an adapter for the model, as PEFT or train saves it', { shown: 'FOLDER' }),
    prompts: text('JSONL file with prompt or prompt_ids', { default: 'prompts.jsonl', shown: 'FILE' }),
    perPrompt: integer('completions of each prompt', { default: 1, min: 1 }),
    maxTokens: integer('most new tokens; what the context leaves when left out', { unit: 'tokens', min: 1 }),
    temperature: decimal('0 takes the likeliest token', { default: 1, min: 0 }),
    topK: integer('only the k likeliest tokens', { min: 1 }),
    topP: decimal('only the likeliest tokens that together have this probability', { min: 0, max: 1 }),
    seed: integer('seed', { default: 0, min: 0 }),
    batch: integer('completions written side by side', { default: 64, min: 1 }),
  },
  examples: [
    'sample --model models/tiny --prompts prompts.jsonl --max-tokens 8',
    'sample --model models/tiny --prompts prompts.jsonl --max-tokens 8 --temperature 0 --json',
  ],

  async action({ model, adapter, prompts: file, perPrompt, maxTokens, topK, topP, ...rest }, screen, signal) {
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note })
    const prompts = await readPromptFile(file, checkpoint)
    const adapters = adapter === undefined ? undefined : await loadAdapters(adapter, checkpoint.config)
    const engine = openEngine()
    try {
      const policy = await openPolicy(engine, checkpoint, adapters)
      const bar = screen.progress('sampling', prompts.length * perPrompt)
      const groups = await sampleCompletions(
        policy,
        prompts.map(({ ids }) => ids),
        {
          ...rest,
          perPrompt,
          eosIds: checkpoint.eosIds,
          ...(maxTokens ? { maxTokens } : {}),
          ...(topK ? { topK } : {}),
          ...(topP ? { topP } : {}),
          onCompletion() {
            signal.throwIfAborted()
            bar.advance()
          },
        },
      )
      bar.done()
      groups.forEach((group, i) => {
        const before = checkpoint.tokenizer.decode(prompts[i]!.ids)
        for (const { ids, logps, ended } of group) {
          const completion = checkpoint.tokenizer.decode([...prompts[i]!.ids, ...ids]).slice(before.length)
          screen.emit({ prompt: prompts[i]!.text, completion, ids, logps, ended })
          screen.line(`${screen.colour.dim(prompts[i]!.text)}${completion}${ended ? '' : screen.colour.dim(' …')}\n`)
        }
      })
    } finally {
      await engine.close()
    }
  },
})
