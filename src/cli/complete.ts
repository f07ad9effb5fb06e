import { UserError } from '../graph/errors.ts'
import { beginningIds } from '../text/index.ts'
import { command, text } from './command.ts'
import { editFlag } from './edit-flag.ts'
import { flowing } from './flowing.ts'
import { generationFlags, samplingOf } from './generation-flags.ts'
import { openSpeaker } from './speaker.ts'
import { typedLines } from './typed-lines.ts'

/** Lets a model go on from words. */
export const complete = command({
  name: 'complete',
  about:
    'Let a model go on from words: those given, or each line that is typed or piped, until Ctrl-D; sampled as its generation_config.json says, where no flag does.',
  args: {
    model: text('model by name or folder'),
    prompt: text('words to go on from; each typed line when left out', { default: '' }),
  },
  flags: { ...editFlag, ...generationFlags },
  examples: [
    'complete stories5m Once --max-tokens 8 --temperature 0.7 --min-p 0.05',
    'complete stories5m --max-tokens 8 --repetition-penalty 1.1 --stop . --json',
  ],

  async action({ model, prompt, jsonSchema, edit, ...flags }, screen, signal) {
    const speaker = await openSpeaker(model, screen, { edit, weights: flags.weights, ...(jsonSchema ? { jsonSchema } : {}) })
    const sampling = samplingOf(flags)
    const lines = typedLines(screen, screen.colour.cyan('› '), signal)
    const { tokenizer, config } = speaker.checkpoint
    try {
      for (let turn = 0; ; turn++) {
        const words = prompt || (await lines.next())
        if (words === undefined) break
        const ids = beginningIds(tokenizer, words).ids
        const flow = flowing(screen)
        await lines
          .during(async (stop) => {
            if (ids.length === 0 || ids.length >= config.contextLength)
              throw new UserError(
                `complete: the words must be 1 to ${config.contextLength - 1} tokens (the context is ${config.contextLength}), got ${ids.length}; ${ids.length === 0 ? 'write some' : 'shorten them'}`,
              )
            flow.push(words, screen.colour.dim)
            // Every line has random numbers of its own, or the same words would always go on alike.
            const said = await speaker.speak(ids, { ...sampling, seed: sampling.seed + turn }, flow.push, stop)
            flow.end(said.ended ? '' : ' …')
            if (screen.source.isTTY && !prompt) screen.write('\n')
            const { text: completion, ids: spoken, logps, ended, stop: stopped } = said
            screen.emit({ prompt: words, completion, ids: spoken, logps, ended, ...(stopped === undefined ? {} : { stop: stopped }) })
          })
          .catch((error) => {
            // At a terminal a line that is too long is no reason to leave.
            if (!(error instanceof UserError) || prompt || !screen.source.isTTY) throw error
            screen.warn(error.message)
          })
        if (prompt) break
      }
      signal.throwIfAborted()
    } finally {
      lines.close()
      await speaker.close()
    }
  },
})
