import { UserError } from '../graph/errors.ts'
import type { ChatTemplate, Message } from '../text/index.ts'
import type { Reason } from './quarantine.ts'
import type { TalkMessage } from './row.ts'
import { endedOnce, textAfterEnd } from './special-tokens.ts'
import type { Vocabulary } from './tokenise.ts'

/** Why a row cannot be used. */
export interface Refused {
  readonly reason: Reason
  readonly detail: string
}

/** How talks are written: by a model's chat template, with the tools of the row. */
export interface Writing {
  readonly vocabulary: Vocabulary
  readonly template: ChatTemplate
  readonly tools?: readonly unknown[] | undefined
}

/** A talk as the template writes it, and its tokens. */
export interface Written {
  readonly text: string
  readonly ids: readonly number[]
}

/** The talk before an answer, as the template begins the answer; or why it cannot be. */
export function writtenBefore(messages: readonly TalkMessage[], writing: Writing, where: string): Written | Refused {
  if (messages.length === 0)
    return { reason: 'empty prompt', detail: `${where} must have something before it, got a talk that begins with the assistant` }
  const written = write(messages, true, writing, where)
  if ('reason' in written) return written
  if (written.ids.length === 0) return { reason: 'empty prompt', detail: `${where} must have something before it, got an empty beginning` }
  return leftOut(messages, writing.tools, written.text, where) ?? written
}

/** An answer in tokens after the talk before it. */
export interface Answer {
  /** How many tokens of the talk before stand in the talk with the answer as well. */
  readonly kept: number
  /** Of the talk with the answer, as far as its end token. */
  readonly all: readonly number[]
  /** What the template wrote of the answer up to its end token. */
  readonly written: string
}

/** An answer after the talk before it; or why it cannot be. */
export function writtenAnswer(
  messages: readonly TalkMessage[],
  answer: TalkMessage,
  before: Written,
  writing: Writing,
  where: string,
): Answer | Refused {
  const { tokenizer, eosIds } = writing.vocabulary
  if (answer.content.trim() === '' && answer.tool_calls === undefined)
    return { reason: 'empty completion', detail: `${where} must say something, got ${answer.content === '' ? 'none' : 'blanks'}` }
  const after = textAfterEnd(answer.content, writing.vocabulary)
  if (after !== undefined)
    return {
      reason: 'text after an end',
      detail: `${where} must stop at its end token, got more after it: ${JSON.stringify(after.slice(0, 60))}`,
    }
  const read = write([...messages, answer], false, writing, where)
  if ('reason' in read) return read
  const whole: Written = read
  const kept = commonPrefix(before.ids, whole.ids)
  const end = whole.ids.findIndex((id, i) => i >= kept && eosIds.includes(id))
  const all = end < 0 ? whole.ids : whole.ids.slice(0, end + 1)
  return { kept, all, written: scoredText() }

  /** What was said, where that cannot be found in what the template wrote. */
  function scoredText(): string {
    const written = whole.text.startsWith(before.text) ? whole.text.slice(before.text.length) : answer.content
    if (end < 0) return written
    const at = written.indexOf(tokenizer.pieces([whole.ids[end]!]).join(''))
    return at < 0 ? answer.content : written.slice(0, at)
  }
}

/** What is said of an answer after which the talk before it is written otherwise. */
export function notPrefix(where: string, { kept, all }: Answer, before: Written, { vocabulary: { tokenizer } }: Writing): Refused {
  const shown = (ids: readonly number[]) =>
    tokenizer
      .pieces(ids.slice(kept, kept + 3))
      .map((piece) => `‹${piece}›`)
      .join('') || 'nothing'
  return {
    reason: 'not a token prefix',
    detail: `the talk before ${where}, as the template begins the answer, must be the beginning of the talk with it, in tokens; from token ${kept} of ${before.ids.length} on ${shown(before.ids)} becomes ${shown(all)}`,
  }
}

/** The tokens of an answer, with its end token once. */
export function endedAnswer({ all }: Answer, from: number, vocabulary: Vocabulary) {
  return endedOnce(all.slice(from), vocabulary)
}

function write(
  messages: readonly TalkMessage[],
  answer: boolean,
  { vocabulary, template, tools }: Writing,
  where: string,
): Written | Refused {
  try {
    const text = template.render(messages.map(plain), { answer, tools })
    return { text, ids: vocabulary.tokenizer.encode(text, { special: false }) }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { reason: 'refused by the template', detail: `the talk up to ${where}: ${error.message}` }
  }
}

function plain({ weight: _, ...message }: TalkMessage): Message {
  return message
}

/** What the template does not write, though the row says it: turns of roles that some templates pass over, tools and calls of them. */
function leftOut(messages: readonly TalkMessage[], tools: readonly unknown[] = [], text: string, where: string): Refused | undefined {
  const written = (said: string) => text.includes(said) || text.includes(JSON.stringify(said).slice(1, -1))
  const refused = (what: string): Refused => ({
    reason: 'refused by the template',
    detail: `the talk up to ${where}: the template must write ${what}, got a talk without it; leave it out of the row, or take a model that knows it`,
  })
  const at = messages.findIndex(({ role, content }) => role !== 'user' && role !== 'assistant' && !written(content.trim()))
  if (at >= 0) return refused(`what message ${at} (${messages[at]!.role}) says`)
  const missing = tools.map(calledOf).find((name) => name !== undefined && !written(name))
  if (missing !== undefined) return refused(`the tool ${missing}`)
  const calls = messages.flatMap(({ tool_calls }, i) =>
    Array.isArray(tool_calls) ? tool_calls.map((call) => ({ i, name: calledOf(call) })) : [],
  )
  const call = calls.find(({ name }) => name !== undefined && !written(name))
  return call && refused(`the call of ${call.name} in message ${call.i}`)
}

/** The name of a tool, or of what is called. */
function calledOf(tool: unknown): string | undefined {
  const { function: inner, name } = (tool ?? {}) as { readonly function?: { readonly name?: unknown }; readonly name?: unknown }
  const found = inner?.name ?? name
  return typeof found === 'string' ? found : undefined
}

/** How many tokens two texts begin with alike. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let n = 0
  while (n < a.length && n < b.length && a[n] === b[n]) n++
  return n
}
