import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Xgrammar from '@mlc-ai/web-xgrammar'
import { UserError } from '../graph/errors.ts'
import type { Tokenizer } from './tokenizer.ts'

/** Says which tokens may come next in one text. */
export interface Follower {
  /** Whether an id may come next. */
  allowed(): Promise<(id: number) => boolean>
  /** The id that came. */
  push(id: number): void
  close(): void
}

/** What texts must be like; each text is followed by a follower of its own. */
export type Constraint = () => Promise<Follower>

/**
 * Texts that are JSON by a schema, and end where it is complete: only then is an end token allowed. They are written on one line, with a
 * space after each comma and colon, since a small model that may choose its white space writes nothing else.
 *
 * throws  UserError when the schema is none that XGrammar understands; `where` leads it
 * limits  strings with a bounded length hold no escapes, as XGrammar has it; special tokens never come inside; whether pieces are bytes is told from the vocabulary (`Ġ` byte-level, `▁` or `<0x0A>` SentencePiece)
 * source  Dong et al. 2024, XGrammar, arXiv:2411.15100
 */
export async function jsonSchema(where: string, schema: unknown, tokenizer: Tokenizer, eosIds: readonly number[]): Promise<Constraint> {
  const { GrammarCompiler, GrammarMatcher, TokenizerInfo } = load()
  const pieces = writtenPieces(tokenizer)
  const kind = pieces.some((piece) => piece.startsWith('▁') || piece === '<0x0A>')
    ? 'byte_fallback'
    : pieces.some((piece) => piece.startsWith('Ġ'))
      ? 'byte_level'
      : 'raw'
  const info = await TokenizerInfo.createTokenizerInfo(pieces, kind, false, pieces.length, [...eosIds])
  const compiler = await GrammarCompiler.createGrammarCompiler(info)
  const grammar = await compiler.compileJSONSchema(JSON.stringify(schema), false, -1).catch((cause: unknown) => {
    throw new UserError(`${where}: must be a JSON schema that XGrammar reads, got ${reason()}; mend the schema`, { cause })
  })
  return async () => {
    const matcher = await GrammarMatcher.createGrammarMatcher(grammar)
    return {
      async allowed() {
        const mask = await matcher.getNextTokenBitmask()
        if (mask.every((word) => word === 0))
          throw new UserError(`${where}: some token must be able to go on, got a text that none of the vocabulary can; loosen the schema`)
        // Past the vocabulary the mask is all ones.
        return (id) => id < pieces.length && ((mask[id >> 5] ?? 0) >>> (id & 31)) % 2 === 1
      },
      push(id) {
        if (!matcher.acceptToken(id)) throw new Error(`internal: token ${id} was chosen and is not allowed`)
      },
      close: () => matcher.dispose(),
    }
  }
}

/**
 * Every id as the vocabulary writes it, and nothing for ids that XGrammar is to keep out: those that say nothing, and control characters
 * but for the line's end, which JSON has no use for and XGrammar would let into strings of a bounded length.
 */
function writtenPieces(tokenizer: Tokenizer): string[] {
  const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id)
  // After another token, since some tokenizers drop a space at the beginning.
  const before = tokenizer.encode('a', { special: false })
  const start = tokenizer.decode(before).length
  return tokenizer.pieces(ids).map((piece, id) => {
    const text = tokenizer.decode([...before, id]).slice(start)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is kept out
    return text === '' || /[\x00-\x09\x0b-\x1f]/.test(text) ? '' : piece
  })
}

let loaded: typeof Xgrammar | undefined
const printed: string[] = []

/** The package is a script for browsers that calls itself a module, so Node can import nothing from it; as a script it runs. */
function load(): typeof Xgrammar {
  if (loaded) return loaded
  const require = createRequire(import.meta.url)
  const file = require.resolve('@mlc-ai/web-xgrammar')
  const module = { exports: {} as typeof Xgrammar }
  const print = (...words: unknown[]) => printed.push(words.join(' '))
  const script = new Function('exports', 'module', 'require', '__filename', 'console', 'process', readFileSync(file, 'utf8'))
  script(module.exports, module, require, file, { log: print, warn: print, error: print })
  loaded = module.exports
  return loaded
}

/** What XGrammar said before it gave up; it prints its reason, and is not used again after it. */
function reason(): string {
  const fatal = printed.find((line) => line.startsWith('[FATAL]')) ?? 'no reason'
  printed.length = 0
  loaded = undefined
  return JSON.stringify(
    fatal
      .replace(/^.*?\.cc:\d+: (Check failed: \(.*\) is false: )?/, '')
      .replace(/\s+/g, ' ')
      .slice(0, 200),
  )
}
