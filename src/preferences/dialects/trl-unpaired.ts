import { holdsTurns, labelIn, labelVotesIn, textIn } from '../columns.ts'
import { messagesIn, toolsIn } from '../messages.ts'
import type { Dialect } from './dialect.ts'

/** TRL's labelled completions, as text or as messages; without a label it is a prompt with its completion, to be learned. */
export const trlUnpaired: Dialect = {
  name: 'TRL completions',
  columns: 'prompt, completion; with label',
  fits: (row) => 'completion' in row || 'label' in row,
  read(row) {
    const talk = holdsTurns(row.prompt) || holdsTurns(row.completion)
    if (talk) {
      const [prompt, completion] = [messagesIn(row, 'prompt'), messagesIn(row, 'completion')]
      const tools = toolsIn(row)
      if ('label' in row) return { form: 'labelledTalk', prompt, completion, label: labelIn(row, 'label'), ...labelVotesIn(row), ...tools }
      // What was given is not learned.
      return { form: 'talk', messages: [...prompt.map((turn) => ({ ...turn, weight: 0 as const })), ...completion], ...tools }
    }
    const text = { prompt: textIn(row, 'prompt'), completion: textIn(row, 'completion') }
    if (!('label' in row)) return { form: 'completion', ...text }
    return { form: 'labelledText', ...text, label: labelIn(row, 'label'), ...labelVotesIn(row) }
  },
}
