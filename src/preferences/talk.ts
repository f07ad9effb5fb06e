import { z } from 'zod'
import { UserError } from '../graph/errors.ts'
import { type Tree, treeLength } from '../policy/rows.ts'
import type { ChatTemplate, Message } from '../text/index.ts'
import type { Reason } from './quarantine.ts'
import { endedOnce, textAfterEnd } from './special-tokens.ts'
import type { Text } from './texts.ts'
import type { Vocabulary } from './tokenise.ts'

const roles = ['system', 'user', 'assistant'] as const
/** Fields of a message that say more than its text; they are refused, since leaving them out would change what was said. */
const more = ['tool_calls', 'tool_call_id', 'function_call', 'reasoning_content', 'thinking', 'images', 'audio'] as const

const content = z.string({
  error: ({ input }) =>
    Array.isArray(input)
      ? 'must be text, got a list of content parts; write the text of the parts'
      : `must be text, got ${input === null ? 'null' : typeof input}`,
})
const role = z.enum(roles, {
  error: ({ input }) =>
    `must be ${roles.join(', ')}, got ${typeof input === 'string' ? input : JSON.stringify(input)}, which is not supported`,
})
const weight = z.union([z.literal(0), z.literal(1)], { error: 'must be 0 (not learned) or 1' }).nullish()
const none = (what: string) => z.never({ error: `${what} are not supported` }).optional()
const message = z.object({ role, content, weight, ...Object.fromEntries(more.map((name) => [name, none(name)])) })

/** A row that is a talk: messages with roles; a turn of the assistant with weight 0 is read and not learned. */
export const talkRow = z
  .object({
    messages: z
      .array(message, {
        error: ({ input }) =>
          typeof input === 'string' ? 'must be a list, got a text; write the list itself' : 'must be a list of messages',
      })
      .min(1),
    tools: none('tools'),
  })
  .transform(({ messages }) => ({ form: 'talk' as const, messages: messages as readonly TalkMessage[] }))

interface TalkMessage extends Message {
  readonly weight?: 0 | 1 | null
}

/** A talk in tokens, one tree for each turn of the assistant that is learned, up to its end token; or why it cannot be used. */
export function talkText(
  messages: readonly TalkMessage[],
  row: number,
  vocabulary: Vocabulary,
  { maxLength, template }: { readonly maxLength?: number; readonly template?: ChatTemplate | undefined },
): Text | { readonly reason: Reason; readonly detail: string } {
  if (!template)
    return { reason: 'wrong shape', detail: 'messages must have a chat template to be written with, got a model that has none' }
  const most = maxLength ?? vocabulary.config.contextLength
  const trees: Tree[] = []
  let bytes = 0
  for (const [i, { role, content, weight }] of messages.entries()) {
    if (role !== 'assistant' || weight === 0) continue
    if (content.trim() === '')
      return { reason: 'empty completion', detail: `message ${i} must say something, got ${content === '' ? 'none' : 'blanks'}` }
    const turn = turnOf(messages, i, vocabulary, template)
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

function turnOf(
  messages: readonly TalkMessage[],
  i: number,
  { tokenizer, eosIds }: Vocabulary,
  template: ChatTemplate,
): { tree: Tree; bytes: number } | { reason: Reason; detail: string } {
  const plain = messages.map(({ role, content }) => ({ role, content }))
  let before: string
  let whole: string
  try {
    before = template.render(plain.slice(0, i))
    whole = template.render(plain.slice(0, i + 1), { answer: false })
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { reason: 'refused by the template', detail: `the talk up to message ${i}: ${error.message}` }
  }
  const prompt = tokenizer.encode(before, { special: false })
  const all = tokenizer.encode(whole, { special: false })
  if (prompt.length === 0) return { reason: 'empty prompt', detail: `message ${i} must have something before it, got an empty beginning` }
  if (prompt.some((id, k) => id !== all[k]))
    return {
      reason: 'not a token prefix',
      detail: `the talk before message ${i}, as the template begins the answer, must be the beginning of the talk with it, in tokens; the template writes the two otherwise`,
    }
  const said = all.slice(prompt.length)
  const first = said.findIndex((id) => eosIds.includes(id))
  const after = textAfterEnd(messages[i]!.content, { tokenizer, eosIds })
  if (after !== undefined)
    return {
      reason: 'text after an end',
      detail: `message ${i} must stop at its end token, got more after it: ${JSON.stringify(after.slice(0, 60))}`,
    }
  const { ids } = endedOnce(first < 0 ? said : said.slice(0, first + 1), { tokenizer, eosIds })
  return { tree: { prompt, completions: [ids] }, bytes: Buffer.byteLength(scoredText()) }

  /** What the template wrote of this turn up to its end token; what was said, where that cannot be found in its text. */
  function scoredText(): string {
    const written = whole.startsWith(before) ? whole.slice(before.length) : messages[i]!.content
    if (first < 0) return written
    const end = written.indexOf(tokenizer.pieces([said[first]!]).join(''))
    return end < 0 ? messages[i]!.content : written.slice(0, end)
  }
}
