import { cells, printable, type Screen } from './screen.ts'

/** A text that is written as it comes. */
export interface Flowing {
  push(piece: string, paint?: (text: string) => string): void
  /** Ends the text, with a mark when it has no end of its own. */
  end(mark: string): void
}

/** Writes a text as it comes: on a terminal with lines broken between words, elsewhere as it is. */
export function flowing(screen: Screen): Flowing {
  let column = 0
  let word = ''
  const plain = (text: string) => text

  const put = (text: string, paint: (text: string) => string) => screen.write(text === '' ? '' : paint(text))
  /** Writes the word that was waiting for its end, on a new line when it does not fit. */
  const settle = (paint: (text: string) => string) => {
    if (column > 0 && column + cells(word) > screen.width) {
      put('\n', plain)
      word = word.trimStart()
      column = 0
    }
    put(word, paint)
    column += cells(word)
    word = ''
  }

  return {
    push(piece, paint = plain) {
      const text = printable(piece)
      if (screen.height === undefined) return put(text, paint)
      for (const part of text.split(/(?=[ \n])|(?<=\n)/)) {
        // A space or a line's end says that the word before is whole.
        if (/^[ \n]/.test(part)) settle(paint)
        if (part === '\n') {
          put('\n', plain)
          column = 0
        } else word += part
      }
      if (paint !== plain) settle(paint)
    },
    end(mark) {
      if (screen.height !== undefined) settle(plain)
      put(mark, screen.colour.dim)
      put('\n', plain)
    },
  }
}
