import type { Tokenizer } from './tokenizer.ts'

/** Text of ids that come one by one. */
export interface StreamDecoder {
  /** The text that is certain once this id is known; empty while a character is incomplete. */
  push(id: number): string
  /** What is left at the end: the replacement character of a character that was never completed, or nothing. */
  end(): string
}

const UNFINISHED = '\uFFFD'

/**
 * Decodes ids one by one, never splitting a character; the pieces, the last one included, are what `decode` says of all ids at once.
 * Ids that stand `before`, such as a prompt's, are context, and their text is not said.
 *
 * Only a window of ids is decoded each time: those since the last whole character, and before them the last ids that had a text, because
 * some tokenizers drop a space at the beginning.
 *
 * limits  characters are Unicode's code points: the people of a family joined by zero-width joiners come one after the other
 */
export function streamDecoder(tokenizer: Pick<Tokenizer, 'decode'>, before: readonly number[] = []): StreamDecoder {
  let context = [...before]
  let fresh: number[] = []
  let said = tokenizer.decode(context).length

  return {
    push(id) {
      fresh.push(id)
      const text = tokenizer.decode([...context, ...fresh])
      const whole = !text.endsWith(UNFINISHED)
      // Bytes that are no character become one replacement each time the next byte cannot go on with them: only the last may still change.
      const certain = whole ? text.length : text.length - UNFINISHED.length
      const piece = text.slice(said, certain)
      said = Math.max(said, certain)
      if (whole) settle()
      return piece
    },
    end() {
      const piece = tokenizer.decode([...context, ...fresh]).slice(said)
      said += piece.length
      return piece
    },
  }

  /** Starts a new window after a whole character, with the ids just read as its context if they have a text of their own. */
  function settle() {
    const own = tokenizer.decode(fresh)
    if (own === '' || own.startsWith(UNFINISHED)) {
      context = [...context, ...fresh]
    } else {
      context = fresh
      said = own.length
    }
    fresh = []
  }
}
