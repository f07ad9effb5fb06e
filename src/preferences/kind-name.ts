import { kindOfRow, type Row, type RowKind } from './row.ts'
import type { Refused } from './talk-tokens.ts'

/** One row of each kind, as errors name it. */
export const kindName: Readonly<Record<RowKind, string>> = { pairs: 'a pair', labelled: 'an unpaired row', texts: 'a text' }

/** What is said of a row of another kind than is wanted. */
export function otherKind(row: Row, wanted: RowKind): Refused {
  const remedy = kindOfRow(row) === 'texts' ? '; name the file under texts' : ''
  const what = row.form === 'talk' ? 'a talk' : row.form === 'completion' ? 'a completion without a label' : kindName[kindOfRow(row)]
  return { reason: 'wrong shape', detail: `this must be ${kindName[wanted]}, got ${what}${remedy}` }
}
