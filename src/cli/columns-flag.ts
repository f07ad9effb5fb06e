import { UserError } from '../graph/index.ts'
import { type ColumnName, type Columns, columnNames } from '../preferences/index.ts'
import { texts } from './command.ts'

/** Which column of a file is what. */
export const columnsFlag = {
  columns: texts('which column is what, where their names do not tell: chosen=good', { shown: 'NAME=COLUMN' }),
}

/**
 * Columns as a recipe has them.
 *
 * throws  UserError for words of another form, and for what no column can be
 */
export function columnsOf(words: readonly string[]): Columns | undefined {
  if (words.length === 0) return undefined
  return Object.fromEntries(
    words
      .flatMap((word) => word.split(','))
      .map((word) => {
        const [, name, column] = /^(\w+)=(.+)$/s.exec(word) ?? []
        if (name === undefined || !columnNames.includes(name as ColumnName))
          throw new UserError(
            `--columns: must be NAME=COLUMN, with NAME one of ${columnNames.join(', ')}, got ${word}; give it as chosen=good`,
          )
        return [name, column!]
      }),
  )
}
