import { textIn } from '../columns.ts'
import type { Dialect } from './dialect.ts'

/** Texts, to be learned token by token. */
export const text: Dialect = {
  name: 'texts',
  columns: 'text',
  fits: (row) => 'text' in row,
  read: (row) => ({ form: 'text', text: textIn(row, 'text') }),
}
