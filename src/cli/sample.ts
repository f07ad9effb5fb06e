import { loadAdapters, loadCheckpoint } from '../checkpoints/index.ts'
import { readPromptFile } from '../collect/index.ts'
import { openEngine } from '../engine/index.ts'
import { openPolicy, sampleCompletions } from '../policy/index.ts'
import { command, integer, text } from './command.ts'
import { editFlag } from './edit-flag.ts'
import { constraintOf, generationFlags, samplingOf } from './generation-flags.ts'
import { printable } from './screen.ts'

/** Lets a model complete prompts. */
export const sample = command({
  name: 'sample',
  about: 'Let a model complete prompts; log-probabilities are those of the full softmax at temperature 1, however it is sampled.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    adapter: text('folder of an adapter for the model, as PEFT or train saves it', { shown: 'FOLDER' }),
    ...editFlag,
    prompts: text('JSONL file with prompt or prompt_ids', { default: 'prompts.jsonl', shown: 'FILE' }),
    perPrompt: integer('completions of each prompt', { default: 1, min: 1 }),
    ...generationFlags,
    batch: integer('completions written side by side', { default: 64, min: 1 }),
  },
  examples: [
    'sample --model stories5m --prompts prompts.jsonl --max-tokens 8',
    'sample --model stories5m --prompts prompts.jsonl --max-tokens 8 --temperature 0 --json',
    'sample --model stories5m --max-tokens 8 --min-p 0.1 --repetition-penalty 1.2 --stop e',
    'sample --model stories5m --json-schema schema.json --max-tokens 64',
  ],

  async action({ model, adapter, edit, prompts: file, perPrompt, batch, jsonSchema, ...flags }, screen, signal) {
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note, edit })
    const prompts = await readPromptFile(file, checkpoint)
    const constraint = await constraintOf(jsonSchema, checkpoint.tokenizer, checkpoint.eosIds)
    const adapters = adapter === undefined ? undefined : await loadAdapters(adapter, checkpoint.config)
    const engine = openEngine()
    try {
      const policy = await openPolicy(engine, checkpoint, adapters)
      const bar = screen.progress('sampling', prompts.length * perPrompt)
      const groups = await sampleCompletions(
        policy,
        prompts.map(({ ids }) => ids),
        {
          ...samplingOf(flags),
          ...constraint,
          perPrompt,
          batch,
          eosIds: checkpoint.eosIds,
          tokenizer: checkpoint.tokenizer,
          onCompletion() {
            signal.throwIfAborted()
            bar.advance()
          },
        },
      )
      bar.done()
      groups.forEach((group, i) => {
        const { text: prompt } = prompts[i]!
        for (const { ids, logps, ended, text: completion = '', stop } of group) {
          screen.emit({ prompt, completion, ids, logps, ended, ...(stop === undefined ? {} : { stop }) })
          screen.line(`${screen.colour.dim(printable(prompt))}${printable(completion)}${ended ? '' : screen.colour.dim(' …')}\n`)
        }
      })
    } finally {
      await engine.close()
    }
  },
})
