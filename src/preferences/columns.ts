/** A row of a file, as it was read. */
export type RawRow = Readonly<Record<string, unknown>>

/** Why a row cannot be read as what its columns show; the row is set aside with it. */
export class Unreadable extends Error {}

/** What a value is, for people. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length > 0 && typeof value[0] === 'object' ? 'a list of messages' : 'a list'
  if (typeof value === 'string') return value === '' ? 'an empty text' : `the text ${JSON.stringify(value.slice(0, 30))}`
  return typeof value === 'object' ? 'an object' : `${typeof value} ${String(value)}`
}

/** A column that must be text. throws Unreadable, also for half of a surrogate pair, which is no character */
export function textIn(row: RawRow, name: string): string {
  const value = row[name]
  if (value === undefined) throw new Unreadable(`${name}: missing`)
  if (typeof value !== 'string') throw new Unreadable(`${name}: must be text, got ${kindOf(value)}`)
  return whole(value, name)
}

/** A text in which every character is whole. throws Unreadable */
export function whole(text: string, where: string): string {
  const half = /\p{Surrogate}/u.exec(text)
  if (!half) return text
  const code = half[0].charCodeAt(0).toString(16)
  throw new Unreadable(`${where}: must be whole characters, got half of one (\\u${code}) at place ${half.index + 1}`)
}

/** A column that must be true or false. throws Unreadable */
export function labelIn(row: RawRow, name: string): boolean {
  const value = row[name]
  if (typeof value === 'boolean') return value
  // Tables in text have no other way to write them.
  if (value === 'true' || value === 'True' || value === 'TRUE') return true
  if (value === 'false' || value === 'False' || value === 'FALSE') return false
  throw new Unreadable(value === undefined ? `${name}: missing` : `${name}: must be true or false, got ${kindOf(value)}`)
}

/** A column that must be a list, or text that writes one. throws Unreadable */
export function listIn(row: RawRow, name: string): readonly unknown[] {
  const value = row[name]
  if (value === undefined) throw new Unreadable(`${name}: missing`)
  const list = typeof value === 'string' ? written(value) : value
  if (Array.isArray(list)) return list
  throw new Unreadable(`${name}: must be a list, got ${kindOf(value)}`)
}

/** A list that stands in a cell as JSON; undefined for any other text. */
export function written(text: string): unknown[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether a column holds turns of a talk, as a list or as text that writes one. */
export function holdsTurns(value: unknown): boolean {
  const list = typeof value === 'string' ? written(value) : value
  return Array.isArray(list) && (list.length === 0 || list.some((one) => typeof one === 'object' && one !== null))
}

/** Whether a row has a column that is not null. */
export function has(row: RawRow, name: string): boolean {
  return row[name] !== undefined && row[name] !== null
}

/** Votes for and against a labelled completion, where its row has some. */
export function labelVotesIn(row: RawRow): { votes?: unknown } {
  const { votes } = votesIn(row)
  return votes === undefined ? {} : { votes }
}

/** Votes, gap and margin of a row, where it has some. */
export function votesIn(row: RawRow): { votes?: unknown; gap?: unknown; margin?: unknown } {
  const votes = typeof row.votes === 'string' ? (written(row.votes) ?? row.votes) : row.votes
  // Tables in text have no other way to write a number.
  const asNumber = typeof row.margin === 'string' && row.margin.trim() !== '' ? Number(row.margin) : Number.NaN
  const margin = Number.isFinite(asNumber) ? asNumber : row.margin
  return { ...('votes' in row ? { votes } : {}), ...('gap' in row ? { gap: row.gap } : {}), ...(has(row, 'margin') ? { margin } : {}) }
}
