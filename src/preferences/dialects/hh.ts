import { type RawRow, textIn, Unreadable, votesIn } from '../columns.ts'
import type { PairText, TalkMessage } from '../row.ts'
import type { Dialect } from './dialect.ts'

const turn = /\n\n(Human|Assistant):/
const begins = (value: unknown) => typeof value === 'string' && /^\s*(Human|Assistant):/.test(value)

/**
 * Dialogues as Anthropic's hh-rlhf writes them, in two texts or in a prompt and two answers: a talk to a model with a chat template, and the
 * text itself to one without.
 */
export const hh: Dialect = {
  name: 'hh dialogues',
  columns: 'chosen, rejected (and prompt) that write Human: and Assistant:',
  fits: (row) => ('chosen' in row || 'rejected' in row) && begins('prompt' in row ? row.prompt : (row.chosen ?? row.rejected)),
  read(row) {
    const plain = plainOf(row)
    const prompt = turnsOf(plain.prompt)
    const answer = (name: 'chosen' | 'rejected'): TalkMessage[] => {
      if (turn.test(plain[name])) throw new Unreadable(`${name}: must be one answer after the shared talk, got more turns`)
      return [{ role: 'assistant', content: plain[name].trim() }]
    }
    return { form: 'pairTalk', prompt, chosen: answer('chosen'), rejected: answer('rejected'), plain, ...votesIn(row) }
  },
}

function plainOf(row: RawRow): PairText {
  const [chosen, rejected] = [textIn(row, 'chosen'), textIn(row, 'rejected')]
  if ('prompt' in row) return { form: 'pairText', prompt: textIn(row, 'prompt'), chosen, rejected, ...votesIn(row) }
  const at = chosen.lastIndexOf('\n\nAssistant:') + '\n\nAssistant:'.length
  const prompt = chosen.slice(0, at)
  if (!rejected.startsWith(prompt))
    throw new Unreadable('rejected: must begin as chosen does, up to the last "Assistant:", got another talk')
  return { form: 'pairText', prompt, chosen: chosen.slice(at), rejected: rejected.slice(at), ...votesIn(row) }
}

/** Turns of a dialogue that ends where the assistant is to answer. */
function turnsOf(prompt: string): TalkMessage[] {
  const parts = `\n\n${prompt.trimStart()}`.split(turn).slice(1)
  const turns: TalkMessage[] = []
  for (let i = 0; i + 1 < parts.length; i += 2)
    turns.push({ role: parts[i] === 'Human' ? 'user' : 'assistant', content: parts[i + 1]!.trim() })
  const last = turns.pop()
  if (last?.role !== 'assistant' || last.content !== '') throw new Unreadable('prompt: must end with "Assistant:", got another end')
  if (turns.length === 0) throw new Unreadable('prompt: must hold a turn of Human, got none')
  return turns
}
