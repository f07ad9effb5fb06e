import { loadAdapters, loadCheckpoint } from '../checkpoints/index.ts'
import { readPromptFile } from '../collect/index.ts'
import { openEngine } from '../engine/index.ts'
import type { Completion, SampledWeights } from '../models/index.ts'
import { openPolicy, type Policy, sampleCompletions, scoreTokens } from '../policy/index.ts'
import { folderReward } from '../rewards/index.ts'
import { bestOfEach, bestOfFlags, chosenRow, drawsOf, sayBound, sayChosen } from './best-of.ts'
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
    ...bestOfFlags,
    ...generationFlags,
    batch: integer('completions written side by side', { default: 64, min: 1 }),
  },
  examples: [
    'sample --model stories5m --prompts prompts.jsonl --max-tokens 8',
    'sample --model stories5m --prompts prompts.jsonl --max-tokens 8 --temperature 0 --json',
    'sample --model stories5m --max-tokens 8 --min-p 0.1 --repetition-penalty 1.2 --stop e',
    'sample --model stories5m --json-schema schema.json --max-tokens 64',
    'sample --model stories5m --max-tokens 8 --weights int8 --json',
    'sample --model stories5m --max-tokens 8 --best-of 8 --reward runs/reward/model',
  ],

  async action({ model, adapter, edit, prompts: file, perPrompt, batch, jsonSchema, bestOf, reward, ...flags }, screen, signal) {
    const n = drawsOf({ bestOf, reward })
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note, edit })
    const prompts = await readPromptFile(file, checkpoint)
    const constraint = await constraintOf(jsonSchema, checkpoint.tokenizer, checkpoint.eosIds)
    const scorer = reward === undefined ? undefined : await folderReward(reward, { writer: checkpoint.folder, onProgress: screen.note })
    const adapters = adapter === undefined ? undefined : await loadAdapters(adapter, checkpoint.config)
    const engine = openEngine()
    try {
      // The weights as they are score what was said, block by block; whole they would be most of the memory. Adapters are merged where all lies.
      const policy = await openPolicy(engine, checkpoint, adapters, { streamed: flags.weights !== 'f32' && !adapters })
      const bar = screen.progress('sampling', prompts.length * perPrompt * n)
      const sampled = await sampleCompletions(
        policy,
        prompts.map(({ ids }) => ids),
        {
          ...samplingOf(flags),
          ...constraint,
          perPrompt: perPrompt * n,
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
      const chosen = scorer && (await bestOfEach(scorer, n, prompts, sampled, screen, signal))
      const groups = chosen?.map((group) => group.map(({ completion }) => completion)) ?? sampled
      const own = flags.weights === 'f32' ? undefined : await scoredBy(policy, prompts, groups)
      groups.forEach((group, i) => {
        const { text: prompt } = prompts[i]!
        for (const [k, { ids, logps, ended, text: completion = '', stop }] of group.entries()) {
          const unrounded = own && { modelLogps: own[i]![k]! }
          const choice = chosen?.[i]?.[k]
          screen.emit({
            prompt,
            completion,
            ids,
            logps,
            ...unrounded,
            ended,
            ...(stop === undefined ? {} : { stop }),
            ...(choice ? chosenRow(choice) : {}),
          })
          screen.line(`${screen.colour.dim(printable(prompt))}${printable(completion)}${ended ? '' : screen.colour.dim(' …')}`)
          screen.line(choice ? `${screen.colour.dim(sayChosen(choice))}\n` : '')
        }
      })
      if (n > 1) screen.note(sayBound(n))
      if (own) screen.note(gapNote(flags.weights, groups.flat(), own.flat()))
    } finally {
      await scorer?.close()
      await engine.close()
    }
  },
})

/** Log-probabilities of each token of each completion under the model's weights as they are. */
async function scoredBy(
  policy: Policy,
  prompts: readonly { readonly ids: readonly number[] }[],
  groups: readonly (readonly Completion[])[],
) {
  return scoreTokens(
    policy,
    groups.map((group, i) => ({ prompt: prompts[i]!.ids, completions: group.map(({ ids }) => ids) })),
  )
}

/** How far what was sampled from is from the model. */
function gapNote(weights: SampledWeights, completions: readonly Completion[], own: readonly (readonly number[])[]): string {
  const gaps = completions.flatMap(({ logps }, i) => logps.map((logp, t) => Math.abs(logp - own[i]![t]!)))
  if (gaps.length === 0) return `${weights}: no token was said`
  const [mean, most] = [gaps.reduce((a, b) => a + b) / gaps.length, gaps.reduce((a, b) => Math.max(a, b))]
  return `${weights}: log-probabilities of its ${gaps.length} tokens are ${mean.toFixed(4)} nats from the model's own on average, ${most.toFixed(4)} at most`
}
