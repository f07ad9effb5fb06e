import { type Tree, treeLength } from '../policy/rows.ts'
import type { ChatTemplate } from '../text/index.ts'
import type { TalkMessage } from './row.ts'
import { endedAnswer, notPrefix, type Refused, type Writing, writtenAnswer, writtenBefore } from './talk-tokens.ts'
import type { Text } from './texts.ts'
import type { Vocabulary } from './tokenise.ts'

/** What is said of a talk that a model without a chat template is given. */
export const noTemplate: Refused = {
  reason: 'wrong shape',
  detail: 'messages must have a chat template to be written with, got a model that has none',
}

/** A talk in tokens, one tree for each turn of the assistant that is learned, up to its end token; or why it cannot be used. */
export function talkText(
  { messages, tools }: { readonly messages: readonly TalkMessage[]; readonly tools?: readonly unknown[] },
  row: number,
  vocabulary: Vocabulary,
  { maxLength, template }: { readonly maxLength?: number; readonly template?: ChatTemplate | undefined },
): Text | Refused {
  if (!template) return noTemplate
  const most = maxLength ?? vocabulary.config.contextLength
  const trees: Tree[] = []
  let bytes = 0
  for (const [i, { role, weight }] of messages.entries()) {
    if (role !== 'assistant' || weight === 0) continue
    const turn = turnOf(messages, i, { vocabulary, template, tools })
    if ('reason' in turn) return turn
    if (treeLength(turn.tree) > most)
      return { reason: 'too long', detail: `the talk up to message ${i} must take at most ${most} positions, got ${treeLength(turn.tree)}` }
    trees.push(turn.tree)
    bytes += turn.bytes
  }
  if (trees.length === 0)
    return { reason: 'empty completion', detail: 'the assistant must say something to learn, got no message of its with a weight above 0' }
  const first = messages.findIndex(({ role }) => role === 'assistant')
  return { row, prompt: JSON.stringify(messages.slice(0, first)), trees, ended: trees.map(() => true), bytes }
}

function turnOf(messages: readonly TalkMessage[], i: number, writing: Writing): { tree: Tree; bytes: number } | Refused {
  const where = `message ${i}`
  const before = writtenBefore(messages.slice(0, i), writing, where)
  if ('reason' in before) return before
  const answer = writtenAnswer(messages.slice(0, i), messages[i]!, before, writing, where)
  if ('reason' in answer) return answer
  if (answer.kept < before.ids.length) return notPrefix(where, answer, before, writing)
  const { ids } = endedAnswer(answer, answer.kept, writing.vocabulary)
  return { tree: { prompt: before.ids, completions: [ids] }, bytes: Buffer.byteLength(answer.written) }
}
