import { holdsTurns, kindOf, type RawRow, textIn, Unreadable, votesIn, whole } from '../columns.ts'
import { messagesIn, shared, toolsIn } from '../messages.ts'
import type { TalkMessage } from '../row.ts'
import type { Dialect } from './dialect.ts'

/** TRL's pairs, as text or as messages; without a prompt it is what both sides begin with. */
export const trlPairs: Dialect = {
  name: 'TRL pairs',
  columns: 'prompt, chosen, rejected; or chosen, rejected that begin alike',
  fits: (row) => 'chosen' in row || 'rejected' in row,
  read(row) {
    const talk = ['prompt', 'chosen', 'rejected'].find((name) => holdsTurns(row[name]))
    if (talk) return { form: 'pairTalk', ...talkOf(row), ...toolsIn(row), ...votesIn(row) }
    const [chosen, rejected] = [textIn(row, 'chosen'), textIn(row, 'rejected')]
    if ('prompt' in row) return { form: 'pairText', prompt: textIn(row, 'prompt'), chosen, rejected, ...votesIn(row) }
    return { form: 'pairText', ...begun(sharedText(chosen, rejected)), ...votesIn(row) }
  },
}

function talkOf(row: RawRow): { prompt: TalkMessage[]; chosen: TalkMessage[]; rejected: TalkMessage[] } {
  const [chosen, rejected] = [turnsIn(row, 'chosen'), turnsIn(row, 'rejected')]
  if (!('prompt' in row)) return begun(shared(chosen, rejected))
  // UltraFeedback, binarised, keeps the prompt as text beside two whole talks.
  if (typeof row.prompt === 'string' && !holdsTurns(row.prompt)) {
    const both = shared(chosen, rejected)
    if (both.prompt.length > 0) return both
    return { prompt: [{ role: 'user', content: textIn(row, 'prompt') }], chosen, rejected }
  }
  return { prompt: messagesIn(row, 'prompt'), chosen, rejected }
}

/** Turns; a text among turns is the assistant's answer. */
function turnsIn(row: RawRow, name: string): TalkMessage[] {
  const value = row[name]
  if (typeof value === 'string' && !holdsTurns(value)) return [{ role: 'assistant', content: whole(value, name) }]
  if (typeof value === 'object' && value !== null) return messagesIn(Array.isArray(value) ? row : { [name]: [value] }, name)
  if (holdsTurns(value)) return messagesIn(row, name)
  throw new Unreadable(value === undefined ? `${name}: missing` : `${name}: must be messages or text, got ${kindOf(value)}`)
}

/** Sides that begin alike and then differ. throws Unreadable */
function begun<T extends { readonly length: number }>(both: { prompt: T; chosen: T; rejected: T }) {
  if (both.prompt.length === 0)
    throw new Unreadable('prompt: missing, and chosen and rejected must then begin alike, got nothing that they share')
  if (both.chosen.length === 0 && both.rejected.length === 0) throw new Unreadable('rejected: must differ from chosen, got the same')
  return both
}

/** What two texts begin with, and the rest of each, with the space before it. source TRL 1.16 data_utils.extract_prompt */
function sharedText(chosen: string, rejected: string): { prompt: string; chosen: string; rejected: string } {
  const least = Math.min(chosen.length, rejected.length)
  let at = 0
  while (at < least && chosen[at] === rejected[at]) at++
  if (at > 0 && chosen[at - 1] === ' ') at--
  // Never between the halves of a character.
  if (at > 0 && /[\ud800-\udbff]/.test(chosen[at - 1]!)) at--
  return { prompt: chosen.slice(0, at), chosen: chosen.slice(at), rejected: rejected.slice(at) }
}
