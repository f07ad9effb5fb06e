import { kindOf, listIn, type RawRow, Unreadable, whole, written } from './columns.ts'
import type { TalkMessage } from './row.ts'

/** Who may say a turn. */
export const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const
/** Who speaks, by the names that other formats use. */
const speakers: Readonly<Record<string, (typeof roles)[number]>> = {
  ...Object.fromEntries(roles.map((role) => [role, role])),
  human: 'user',
  prompter: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bot: 'assistant',
  model: 'assistant',
  observation: 'tool',
  function_response: 'tool',
}
/** Fields that say more than a message's text and are given to the template as they are. */
const given = ['name', 'tool_calls', 'tool_call_id', 'reasoning_content', 'thinking'] as const
/** Fields that a model of text cannot read. */
const refused = ['function_call', 'images', 'audio', 'videos'] as const

/** A column of turns, with `role` and `content` or with `from` and `value`. throws Unreadable */
export function messagesIn(row: RawRow, name: string): TalkMessage[] {
  const list = listIn(row, name)
  if (list.length === 0) throw new Unreadable(`${name}: must hold at least one message, got none`)
  return list.map((one, i) => messageOf(one, `${name}.${i}`))
}

/** One turn. throws Unreadable */
export function messageOf(one: unknown, where: string): TalkMessage {
  if (typeof one !== 'object' || one === null || Array.isArray(one))
    throw new Unreadable(`${where}: must be a message with role and content, got ${kindOf(one)}`)
  const message = one as RawRow
  const role = roleOf(message, where)
  const other = refused.find((field) => present(message[field]))
  if (other) throw new Unreadable(`${where}.${other}: is not supported`)
  const more = Object.fromEntries(given.filter((field) => present(message[field])).map((field) => [field, message[field]]))
  const calls = role === 'assistant' && 'tool_calls' in more
  const field = 'content' in message || !('value' in message) ? 'content' : 'value'
  return { role, content: contentOf(message[field], `${where}.${field}`, calls), ...more, ...weightOf(message, where) } as TalkMessage
}

/** A turn whose text is all that is given. throws Unreadable */
export function said(role: TalkMessage['role'], text: unknown, where: string): TalkMessage {
  return { role, content: contentOf(text, where, false) }
}

/** Parquet fills every field of every message, with null. */
function present(value: unknown): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)
}

function roleOf(message: RawRow, where: string): string {
  const field = 'role' in message || !('from' in message) ? 'role' : 'from'
  const role = message[field]
  if (role === undefined)
    throw new Unreadable(`${where}: must say who speaks, with role or from, got ${Object.keys(message).join(', ') || 'nothing'}`)
  const speaker = typeof role === 'string' ? speakers[role] : undefined
  if (speaker) return speaker
  const got = typeof role === 'string' ? role : JSON.stringify(role)
  throw new Unreadable(`${where}.${field}: must be ${roles.join(', ')}, got ${got}, which is not supported`)
}

/** The text of a turn; of content parts the text of all. */
function contentOf(value: unknown, where: string, calls: boolean): string {
  if (typeof value === 'string') return whole(value, where)
  if (calls && !present(value)) return ''
  if (!Array.isArray(value))
    throw new Unreadable(value === undefined ? `${where}: missing` : `${where}: must be text, got ${kindOf(value)}`)
  return value.map((part, i) => partOf(part, `${where}.${i}`)).join('')
}

function partOf(part: unknown, where: string): string {
  if (typeof part === 'string') return whole(part, where)
  const { type = 'text', text } = (typeof part === 'object' && part !== null ? part : {}) as RawRow
  if (type === 'text' && typeof text === 'string') return whole(text, where)
  throw new Unreadable(
    `${where}: must be a part of type text, got ${typeof type === 'string' && type !== 'text' ? type : kindOf(text ?? part)}`,
  )
}

function weightOf(message: RawRow, where: string): { weight?: 0 | 1 } {
  const { weight } = message
  if (!present(weight)) return {}
  if (weight === 0 || weight === 1) return { weight }
  throw new Unreadable(`${where}.weight: must be 0 (not learned) or 1, got ${kindOf(weight)}`)
}

/** Tools that a row gives its talk, as a list or as text that writes one. throws Unreadable */
export function toolsIn(row: RawRow): { tools?: readonly unknown[] } {
  const { tools } = row
  if (!present(tools) || tools === '' || tools === '[]') return {}
  const list = typeof tools === 'string' ? written(tools) : tools
  if (Array.isArray(list)) return { tools: list }
  throw new Unreadable(`tools: must be a list, got ${kindOf(tools)}`)
}

/** The turns before an answer, and the answer: the last turn, which must be the assistant's. throws Unreadable */
export function answered(messages: readonly TalkMessage[], where: string): { prompt: TalkMessage[]; completion: TalkMessage[] } {
  const { role } = messages.at(-1)!
  if (role !== 'assistant') throw new Unreadable(`${where}: must end with a turn of the assistant, got one of ${role}`)
  return { prompt: messages.slice(0, -1), completion: messages.slice(-1) }
}

/** What two talks share at their beginning, and the rest of each. source TRL 1.16 data_utils.extract_prompt */
export function shared(chosen: readonly TalkMessage[], rejected: readonly TalkMessage[]) {
  const differs = chosen.findIndex((message, i) => JSON.stringify(message) !== JSON.stringify(rejected[i]))
  const at = differs < 0 ? chosen.length : differs
  return { prompt: chosen.slice(0, at), chosen: chosen.slice(at), rejected: rejected.slice(at) }
}
