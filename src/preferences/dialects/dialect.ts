import type { RawRow } from '../columns.ts'
import type { Row } from '../row.ts'

/** A way in which files of preferences and texts are written. */
export interface Dialect {
  /** As it is told to people. */
  readonly name: string
  /** The columns it is known by, for people. */
  readonly columns: string
  /** Whether a row's columns show it; of several dialects the first in the table is taken. */
  fits(row: RawRow): boolean
  /** The row in it. throws Unreadable with what is wrong */
  read(row: RawRow): Row
}
