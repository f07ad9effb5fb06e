import { z } from 'zod'
import { readJsonLines } from '../files/index.ts'
import type { Quarantined, Reason } from './quarantine.ts'

const ids = z.array(z.int().nonnegative())
const votes = z.unknown().optional()
const gap = z.unknown().optional()

/** Pairs as text, pairs already tokenised as TRL writes them, and unpaired text; other columns are left alone. */
const pairText = z
  .object({ prompt: z.string(), chosen: z.string(), rejected: z.string(), votes, gap })
  .transform((row) => ({ form: 'pairText' as const, ...row }))
const pairIds = z
  .object({ prompt_ids: ids, chosen_ids: ids, rejected_ids: ids, votes, gap })
  .transform((row) => ({ form: 'pairIds' as const, ...row }))
const labelledText = z
  .object({ prompt: z.string(), completion: z.string(), label: z.boolean() })
  .transform((row) => ({ form: 'labelledText' as const, ...row }))

/** A row of one of the three forms. Its columns say which: ids go before text, since TRL keeps the text beside them. */
export type PreferenceRow = z.infer<typeof pairText> | z.infer<typeof pairIds> | z.infer<typeof labelledText>

/** One row of a file: well formed, or set aside with its reason. */
export type ReadRow<Row = PreferenceRow> = { readonly line: number; readonly raw: string } & (
  | { readonly row: Row }
  | { readonly bad: Quarantined }
)

/**
 * Reads preference rows from JSON lines, plain or gzipped (`.gz`), one at a time. Blank lines are not rows; a byte-order mark and
 * Windows line ends are no matter.
 *
 * throws  UserError when the file can not be read or unpacked; a row that can not be read is yielded as bad, never thrown
 */
export function readRows(file: string): AsyncGenerator<ReadRow> {
  return readRowsAs(file, formOf)
}

/** The same for rows of any forms, of which `formOf` says the one that a row's columns show. */
export async function* readRowsAs<Row>(file: string, formOf: (row: object) => z.ZodType<Row>): AsyncGenerator<ReadRow<Row>> {
  for await (const read of readJsonLines(file)) {
    const { line, raw } = read
    const bad = (reason: Reason, detail: string): ReadRow<Row> => ({ line, raw, bad: { line, reason, detail, raw } })
    if ('fault' in read) {
      yield bad(read.fault, read.detail)
      continue
    }
    const parsed = formOf(read.value).safeParse(read.value)
    yield parsed.success ? { line, raw, row: parsed.data } : bad('wrong shape', parsed.error.issues.map(problem(read.value)).join('; '))
  }
}

/** A row of another form, by its name: its columns would only be said to be missing. */
function otherForm(row: object): z.ZodType<never> | undefined {
  const named: readonly (readonly [column: string, what: string])[] = [
    ['messages', 'messages: this is a talk; name the file under texts'],
    [
      'conversations',
      'conversations: these are turns as ShareGPT writes them; write messages with role and content, and name the file under texts',
    ],
    ['text', 'text: this is a text; name the file under texts'],
  ]
  const found = named.find(([column]) => column in row)
  return found && z.never({ error: found[1] })
}

function formOf(row: object): z.ZodType<PreferenceRow> {
  if ('prompt_ids' in row || 'chosen_ids' in row || 'rejected_ids' in row) return pairIds
  if ('completion' in row || 'label' in row) return labelledText
  if ('chosen' in row || 'rejected' in row) return pairText
  return otherForm(row) ?? pairText
}

function problem(row: object) {
  return ({ path, message }: z.core.$ZodIssue) => {
    const got = at(row, path)
    const name = path.join('.')
    if (got === undefined) return `${name}: missing`
    // TRL's conversational rows; they become text through the model's chat template.
    if (name === '') return message
    if (Array.isArray(got) && ['prompt', 'chosen', 'rejected', 'completion'].includes(name))
      return `${name}: must be text, got a list of messages; write it out with the model's chat template`
    return `${name}: ${message.replace('Invalid input: ', '').replace('received', 'got')}`
  }
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value)
}
