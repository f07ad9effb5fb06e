import { kindOf, type RawRow, Unreadable } from '../columns.ts'
import { messagesIn, said } from '../messages.ts'
import type { PairTalk, TalkMessage } from '../row.ts'
import type { Dialect } from './dialect.ts'

const record = (value: unknown): RawRow | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawRow) : undefined
const prompts = ['prompt', 'instruction', 'question', 'input', 'context']

/**
 * Records of Argilla, of 1 and of 2: `fields` with a prompt and two answers, and the answers of annotators that rank them or name one. Each
 * annotator is a vote; where nobody answered, the suggestion is.
 */
export const argilla: Dialect = {
  name: 'Argilla',
  columns: 'fields, responses, suggestions',
  fits: (row) => record(row.fields) !== undefined && ('responses' in row || 'suggestions' in row),
  read(row): PairTalk {
    const fields = record(row.fields)!
    const asked = prompts.find((name) => name in fields)
    if (!asked)
      throw new Unreadable(`fields: must hold a prompt (${prompts.join(', ')}), got ${Object.keys(fields).join(', ') || 'nothing'}`)
    const sides = Object.keys(fields).filter((name) => name !== asked && name !== 'system' && fields[name] !== null)
    const [a, b] = sides
    if (sides.length !== 2) throw new Unreadable(`fields: must hold two answers beside ${asked}, got ${sides.join(', ') || 'none'}`)
    const votes = answersOf(row)
      .map((answer) => preferred(answer, a!, b!))
      .filter((side) => side !== undefined)
    const count = (side: number) => votes.filter((vote) => vote === side).length
    if (votes.length === 0) throw new Unreadable(`responses: must rank ${a} and ${b} or name one of them, got no answer that does`)
    const [first, second] = [count(0), count(1)]
    const [chosen, rejected] = second > first ? [b!, a!] : [a!, b!]
    return {
      form: 'pairTalk',
      prompt: [...('system' in fields ? turns(fields, 'system', 'system') : []), ...turns(fields, asked, 'user')],
      chosen: turns(fields, chosen, 'assistant'),
      rejected: turns(fields, rejected, 'assistant'),
      votes: first === second ? [1, 1] : [Math.max(first, second), Math.min(first, second)],
    }
  },
}

function turns(fields: RawRow, name: string, role: TalkMessage['role']): TalkMessage[] {
  const value = fields[name]
  return Array.isArray(value) ? messagesIn(fields, name) : [said(role, value, `fields.${name}`)]
}

/** What annotators answered to each question, in the form of either version; a suggestion where none did. */
function answersOf({ responses, suggestions }: RawRow): unknown[] {
  const given = Array.isArray(responses)
    ? responses.flatMap(ofVersion1)
    : record(responses)
      ? Object.values(responses as object).flatMap(ofQuestion)
      : []
  if (given.length > 0) return given
  if (Array.isArray(suggestions)) return suggestions.map((one) => record(one)?.value)
  return record(suggestions) ? Object.values(suggestions as object).map((one) => record(one)?.value) : []
}

function ofVersion1(response: unknown): unknown[] {
  const { status = 'submitted', values } = record(response) ?? {}
  return status === 'submitted' && record(values) ? Object.values(values as object).map((one) => record(one)?.value) : []
}

function ofQuestion(answers: unknown): unknown[] {
  if (!Array.isArray(answers)) throw new Unreadable(`responses: must be a list for each question, got ${kindOf(answers)}`)
  return answers.filter((one) => (record(one)?.status ?? 'submitted') === 'submitted').map((one) => record(one)?.value)
}

/** Which of two fields an answer prefers: 0, 1; undefined where it says nothing of them, or ties. */
function preferred(answer: unknown, a: string, b: string): 0 | 1 | undefined {
  if (answer === a || answer === b) return answer === a ? 0 : 1
  if (!Array.isArray(answer)) return undefined
  const rank = (name: string) => {
    const at = answer.findIndex((one) => one === name || record(one)?.value === name)
    const given = record(answer[at])?.rank
    return at < 0 ? Number.NaN : typeof given === 'number' ? given : at
  }
  return rank(a) < rank(b) ? 0 : rank(b) < rank(a) ? 1 : undefined
}
