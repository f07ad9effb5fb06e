import type { ChatTemplate } from '../text/index.ts'
import { holdsTurns, type RawRow, textIn, Unreadable } from './columns.ts'
import { messagesIn, toolsIn } from './messages.ts'
import { dialectOf } from './read.ts'
import type { Row, TalkMessage } from './row.ts'
import { writtenBefore } from './talk-tokens.ts'
import type { Vocabulary } from './tokenise.ts'

/** What a model is to go on from: a text, tokens, or a talk that it is to answer. */
export type PromptRow =
  | { readonly text: string }
  | { readonly ids: readonly number[] }
  | { readonly messages: readonly TalkMessage[]; readonly tools?: readonly unknown[] }

/**
 * What a row of a file asks of a model: its prompt, or what stands before the last answer of its talk. A dialogue in text is a talk to a model
 * with a chat template.
 *
 * throws  Unreadable
 */
export function promptOf(row: RawRow, talks: boolean): PromptRow {
  if (Array.isArray(row.prompt_ids)) {
    if (row.prompt_ids.length === 0 || row.prompt_ids.some((id) => !Number.isSafeInteger(id) || (id as number) < 0))
      throw new Unreadable('prompt_ids: must be whole numbers from 0 on, at least one')
    return { ids: row.prompt_ids as number[] }
  }
  if (holdsTurns(row.prompt)) return { messages: messagesIn(row, 'prompt'), ...toolsIn(row) }
  const dialogue = typeof row.prompt === 'string' && /^\s*Human:/.test(row.prompt)
  if (typeof row.prompt === 'string' && !dialogue) return { text: textIn(row, 'prompt') }
  if ('messages' in row) return { messages: asked(messagesIn(row, 'messages')), ...toolsIn(row) }
  // A dialogue is read as with two answers, whether it has some or not.
  const whole = dialogue ? { prompt: row.prompt, chosen: ' a', rejected: ' b' } : row
  return fromRow(dialectOf(whole).read(whole), talks)
}

function fromRow(row: Row, talks: boolean): PromptRow {
  switch (row.form) {
    case 'pairTalk':
      if (!talks && row.plain) return { text: row.plain.prompt }
      return { messages: row.prompt, ...(row.tools ? { tools: row.tools } : {}) }
    case 'labelledTalk':
      return { messages: row.prompt, ...(row.tools ? { tools: row.tools } : {}) }
    case 'talk':
      return { messages: asked(row.messages), ...(row.tools ? { tools: row.tools } : {}) }
    case 'pairIds':
    case 'labelledIds':
      return { ids: row.prompt_ids }
    case 'text':
      throw new Unreadable(`text: must be a prompt, got a text to learn`)
    default:
      return { text: row.prompt }
  }
}

/** A talk without its last answer. */
function asked(messages: readonly TalkMessage[]): readonly TalkMessage[] {
  const last = messages.at(-1)!
  return last.role === 'assistant' ? messages.slice(0, -1) : messages
}

/** A talk that a model is to answer, in tokens, and as people and goals read it. throws Unreadable with why it cannot be written */
export function talkPrompt(
  { messages, tools }: { readonly messages: readonly TalkMessage[]; readonly tools?: readonly unknown[] },
  vocabulary: Vocabulary,
  template: ChatTemplate | undefined,
): { ids: readonly number[]; text: string; messages: readonly TalkMessage[] } {
  if (!template) throw new Unreadable('messages must have a chat template to be written with, got a model that has none')
  if (messages.at(-1)?.role === 'assistant')
    throw new Unreadable('messages must end with a turn that is to be answered, got one of assistant')
  const written = writtenBefore(messages, { vocabulary, template, tools }, 'the answer')
  if ('reason' in written) throw new Unreadable(written.detail)
  return { ids: written.ids, text: talkAsText(messages), messages }
}

/** A talk as plain text: what the user says where nothing else is said, else a line for each turn, after who speaks. */
export function talkAsText(messages: readonly TalkMessage[]): string {
  const [only] = messages
  if (messages.length === 1 && only!.role === 'user') return only!.content
  return messages.map(({ role, content }) => `${role}: ${content}`).join('\n\n')
}
