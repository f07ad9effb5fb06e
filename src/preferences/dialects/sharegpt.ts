import { has, kindOf, labelIn, labelVotesIn, type RawRow, Unreadable } from '../columns.ts'
import { answered, messageOf, messagesIn, said, toolsIn } from '../messages.ts'
import type { TalkMessage } from '../row.ts'
import type { Dialect } from './dialect.ts'

/** Turns with `from` and `value`; with `chosen` and `rejected` it is a pair, with `kto_tag` a labelled answer, else a talk. */
export const sharegpt: Dialect = {
  name: 'ShareGPT',
  columns: 'conversations (from, value); with chosen and rejected, or with kto_tag',
  fits: (row) => 'conversations' in row,
  read(row) {
    const turns = [...systemOf(row), ...messagesIn(row, 'conversations')]
    const tools = toolsIn(row)
    if ('chosen' in row || 'rejected' in row)
      return { form: 'pairTalk', prompt: turns, chosen: [answerIn(row, 'chosen')], rejected: [answerIn(row, 'rejected')], ...tools }
    if (has(row, 'kto_tag') || has(row, 'label'))
      return {
        form: 'labelledTalk',
        ...answered(turns, 'conversations'),
        label: labelIn(row, has(row, 'kto_tag') ? 'kto_tag' : 'label'),
        ...labelVotesIn(row),
        ...tools,
      }
    return { form: 'talk', messages: turns, ...tools }
  },
}

/** A text that stands before the talk as its system turn. */
function systemOf(row: RawRow): TalkMessage[] {
  const { system } = row
  if (system === undefined || system === null || system === '') return []
  if (typeof system !== 'string') throw new Unreadable(`system: must be text, got ${kindOf(system)}`)
  return [said('system', system, 'system')]
}

/** A turn of the assistant: an object, or a text. */
function answerIn(row: RawRow, name: string): TalkMessage {
  const value = row[name]
  if (value === undefined) throw new Unreadable(`${name}: missing`)
  const answer = typeof value === 'string' ? said('assistant', value, name) : messageOf(value, name)
  if (answer.role !== 'assistant') throw new Unreadable(`${name}: must be a turn of the assistant, got one of ${answer.role}`)
  return answer
}
