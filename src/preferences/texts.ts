import { UserError } from '../graph/errors.ts'
import { type Tree, treeLength } from '../policy/rows.ts'
import { beginningIds, type ChatTemplate, frameOf } from '../text/index.ts'
import { countReasons, type Quarantined, type Reason } from './quarantine.ts'
import { type Columns, readRows } from './read.ts'
import type { Row } from './row.ts'
import { endedOnce, withoutEnds } from './special-tokens.ts'
import { talkText } from './talk.ts'
import type { Refused } from './talk-tokens.ts'
import { type Boundary, tokenise, type Vocabulary } from './tokenise.ts'

/** A row to learn token by token: a text, or a completion after its prompt. */
export interface Text {
  /** Which row of the file it is, counting from 0. */
  readonly row: number
  /** The text, or the prompt: rows that share it are never dealt into different parts. */
  readonly prompt: string
  /** What the tokens to learn are after; a text that is longer than a row may be goes on in another tree, after the last token of the one before. */
  readonly trees: readonly Tree[]
  /** Of each tree, whether its last token is an end. */
  readonly ended: readonly boolean[]
  /** UTF-8 bytes of what is learned; ends stand for none of them. */
  readonly bytes: number
}

/** A file of texts in tokens, with every row that was set aside. */
export interface LoadedTexts {
  readonly rows: number
  readonly texts: readonly Text[]
  /** How many rows were read in each dialect. */
  readonly dialects: Readonly<Record<string, number>>
  readonly quarantined: readonly Quarantined[]
  readonly counts: Partial<Record<Reason, number>>
}

/**
 * Reads a file of texts and puts them into tokens, in file order. Of `{ text }` every token is learned, the first one after the
 * tokenizer's own beginning or else an end token; of `{ prompt, completion }` the completion's alone; of `{ messages }` what the assistant
 * says, each turn after the talk so far as the model's chat template writes it. Each gets the end token.
 *
 * throws  UserError when the file can not be read or no row in it is usable
 */
export async function loadTexts(file: string, vocabulary: Vocabulary, options: LoadingTexts = {}): Promise<LoadedTexts> {
  const texts: Text[] = []
  const quarantined: Quarantined[] = []
  let rows = 0
  const dialects: Record<string, number> = {}
  for await (const read of readRows(file, options.columns)) {
    const made = 'bad' in read ? read.bad : textOf(read.row, rows, vocabulary, options)
    if ('reason' in made) quarantined.push({ line: read.line, reason: made.reason, detail: made.detail, raw: read.raw })
    else texts.push(made)
    if ('row' in read) dialects[read.dialect] = (dialects[read.dialect] ?? 0) + 1
    rows++
  }
  const counts = countReasons(quarantined)
  if (texts.length > 0) return { rows, texts, dialects, quarantined, counts }
  const first = quarantined[0]
  const why = first ? `; the first is line ${first.line}: ${first.detail}` : ''
  throw new UserError(`${file}: at least one text, prompt with completion, or talk must be usable, got none of ${rows} rows${why}`)
}

interface LoadingTexts {
  readonly boundary?: Boundary
  readonly maxLength?: number
  readonly template?: ChatTemplate | undefined
  readonly columns?: Columns | undefined
}

/** A row as what is learned of it: of a labelled completion the completion, of a labelled talk the talk. */
function textOf(row: Row, number: number, vocabulary: Vocabulary, options: LoadingTexts): Text | Refused {
  switch (row.form) {
    case 'text':
      return whole(row.text, number, vocabulary, options)
    case 'talk':
      return talkText(row, number, vocabulary, options)
    case 'completion':
    case 'labelledText':
      return after(row, number, vocabulary, options)
    case 'labelledTalk':
      return talkText({ ...row, messages: [...row.prompt, ...row.completion] }, number, vocabulary, options)
    case 'labelledIds':
      return {
        reason: 'wrong shape',
        detail: 'completion_ids: a text must be text or messages, got token ids; name the file under preferences.pairs',
      }
    default:
      return { reason: 'wrong shape', detail: 'chosen: this is a pair; name the file under preferences.pairs' }
  }
}

function whole(said: string, row: number, vocabulary: Vocabulary, { maxLength }: { maxLength?: number }): Text | Refused {
  const { tokenizer, eosIds, config } = vocabulary
  const own = withoutEnds(said, vocabulary)
  if (own === '') return { reason: 'empty completion', detail: 'text must have text, got none' }
  const begun = beginningIds(tokenizer, said)
  const unknown = begun.ids.find((id) => id >= config.vocabSize)
  if (unknown !== undefined)
    return { reason: 'unknown ids', detail: `ids must be below the vocabulary's ${config.vocabSize}, got ${unknown}` }
  const { ids } = endedOnce(begun.ids, vocabulary)
  // A text that the tokenizer does not begin may begin itself with a special token; else it begins after an end.
  const begin = frameOf(tokenizer).begin.length
  const special = begin === 0 && tokenizer.decode([ids[0]!]) === '' && said.startsWith(tokenizer.pieces([ids[0]!]).join(''))
  const given = begin > 0 ? begin : special ? 1 : 0
  const [prompt, learned] = given > 0 ? [ids.slice(0, given), ids.slice(given)] : [[eosIds[0]!], ids]
  const most = Math.min(config.contextLength, maxLength ?? Number.POSITIVE_INFINITY)
  const trees: Tree[] = []
  // Of a row's completion all tokens but the last take a position, after those of its prompt.
  for (let from = 0; from < learned.length; ) {
    const before = from === 0 ? prompt : [learned[from - 1]!]
    const to = from + Math.max(1, most - before.length + 1)
    trees.push({ prompt: before, completions: [learned.slice(from, to)] })
    from = to
  }
  const written = begun.written || special ? tokenizer.pieces(prompt).join('') : ''
  const bytes = Buffer.byteLength(own) - (own.startsWith(written) ? Buffer.byteLength(written) : 0)
  return { row, prompt: said, trees, ended: trees.map((_, i) => i === trees.length - 1), bytes }
}

function after(
  { prompt, completion }: { readonly prompt: string; readonly completion: string },
  row: number,
  vocabulary: Vocabulary,
  options: { readonly boundary?: Boundary; readonly maxLength?: number },
): Text | Refused {
  const made = tokenise({ form: 'labelledText', prompt, completion, label: true }, row, vocabulary, options)
  if ('reason' in made) return made
  const { prompt: before, completion: ids } = made.example as { prompt: readonly number[]; completion: readonly number[] }
  const tree = { prompt: before, completions: [ids] }
  const most = options.maxLength ?? vocabulary.config.contextLength
  if (treeLength(tree) > most)
    return { reason: 'too long', detail: `prompt and completion must take at most ${most} positions, got ${treeLength(tree)}` }
  return { row, prompt, trees: [tree], ended: [true], bytes: Buffer.byteLength(withoutEnds(completion, vocabulary)) }
}
