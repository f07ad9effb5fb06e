import { readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'

/** Texts with the class of each: a place among the names. */
export interface LabelledTexts {
  readonly texts: readonly string[]
  readonly labels: readonly number[]
  /** The labels as they are written, in order. */
  readonly names: readonly string[]
}

/**
 * Reads labelled texts from a JSONL file (also .gz): rows with `text` and `label`, which is a text, a number or a boolean.
 *
 * throws  UserError naming the line that is not such a row, and when there are not at least two labels
 */
export async function readLabelledTexts(file: string): Promise<LabelledTexts> {
  const rows: { text: string; label: string }[] = []
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const { text, label } = value
    if (typeof text !== 'string' || !['string', 'number', 'boolean'].includes(typeof label))
      throw new UserError(
        `${file}:${line}: must be a JSON object with text and label (a text, a number or a boolean), got ${raw.slice(0, 60)}; mend the line`,
      )
    if (text === '') throw new UserError(`${file}:${line}: text must have at least one character, got none; leave the line out`)
    rows.push({ text, label: String(label) })
  }
  return labelled(file, rows)
}

/**
 * Rows as labelled texts; `where` leads the error.
 *
 * throws  UserError when there are not at least two labels
 */
export function labelled(where: string, rows: readonly { readonly text: string; readonly label: string }[]): LabelledTexts {
  const names = [...new Set(rows.map(({ label }) => label))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  if (names.length < 2)
    throw new UserError(
      `${where}: must have rows of at least two labels, got ${rows.length === 0 ? 'no row' : `${rows.length} rows of ${names[0]} alone`}; a probe tells classes apart, so add rows of another`,
    )
  return { texts: rows.map(({ text }) => text), labels: rows.map(({ label }) => names.indexOf(label)), names }
}
