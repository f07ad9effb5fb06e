import { z } from 'zod'
import { UserError } from '../graph/errors.ts'
import { type Tree, treeLength } from '../policy/rows.ts'
import { type ChatTemplate, chatIds, type Message, type Tokenizer } from '../text/index.ts'
import { countReasons, type Quarantined, type Reason } from './quarantine.ts'
import { readRowsAs } from './read.ts'
import { type Boundary, tokenise, type Vocabulary } from './tokenise.ts'

/** A row to learn token by token: a text, or a completion after its prompt. */
export interface Text {
  /** Which row of the file it is, counting from 0. */
  readonly row: number
  /** The text, or the prompt: rows that share it are never dealt into different parts. */
  readonly prompt: string
  /** What the tokens to learn are after; a text that is longer than a row may be goes on in another tree, after the last token of the one before. */
  readonly trees: readonly Tree[]
  /** UTF-8 bytes of what is learned; its last token, the end, stands for none of them. */
  readonly bytes: number
}

/** A file of texts in tokens, with every row that was set aside. */
export interface LoadedTexts {
  readonly rows: number
  readonly texts: readonly Text[]
  readonly quarantined: readonly Quarantined[]
  readonly counts: Partial<Record<Reason, number>>
}

const text = z.object({ text: z.string() }).transform((row) => ({ form: 'text' as const, ...row }))
const completion = z.object({ prompt: z.string(), completion: z.string() }).transform((row) => ({ form: 'completion' as const, ...row }))
const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })
const talk = z.object({ messages: z.array(message).min(1) }).transform((row) => ({ form: 'talk' as const, ...row }))
type TextRow = z.infer<typeof text> | z.infer<typeof completion> | z.infer<typeof talk>

/**
 * Reads a file of texts and puts them into tokens, in file order. Of `{ text }` every token is learned, the first one after the
 * tokenizer's own beginning or else an end token; of `{ prompt, completion }` the completion's alone; of `{ messages }` what the assistant
 * says, each turn after the talk so far as the model's chat template writes it. Each gets the end token.
 *
 * throws  UserError when the file can not be read or no row in it is usable
 */
export async function loadTexts(
  file: string,
  vocabulary: Vocabulary,
  options: { readonly boundary?: Boundary; readonly maxLength?: number; readonly template?: ChatTemplate | undefined } = {},
): Promise<LoadedTexts> {
  const texts: Text[] = []
  const quarantined: Quarantined[] = []
  let rows = 0
  for await (const read of readRowsAs<TextRow>(file, (row) => ('messages' in row ? talk : 'text' in row ? text : completion))) {
    const made =
      'bad' in read
        ? read.bad
        : read.row.form === 'text'
          ? whole(read.row.text, rows, vocabulary, options)
          : read.row.form === 'talk'
            ? turns(read.row.messages, rows, vocabulary, options)
            : after(read.row, rows, vocabulary, options)
    if ('reason' in made) quarantined.push({ line: read.line, reason: made.reason, detail: made.detail, raw: read.raw })
    else texts.push(made)
    rows++
  }
  const counts = countReasons(quarantined)
  if (texts.length > 0) return { rows, texts, quarantined, counts }
  const first = quarantined[0]
  const why = first ? `; the first is line ${first.line}: ${first.detail}` : ''
  throw new UserError(`${file}: at least one text, prompt with completion, or talk must be usable, got none of ${rows} rows${why}`)
}

type Refused = { readonly reason: Reason; readonly detail: string }

function whole(
  said: string,
  row: number,
  { tokenizer, eosIds, config }: Vocabulary,
  { maxLength }: { maxLength?: number },
): Text | Refused {
  if (said === '') return { reason: 'empty completion', detail: 'text must have text, got none' }
  const ids = tokenizer.encode(said)
  const unknown = ids.find((id) => id >= config.vocabSize)
  if (unknown !== undefined)
    return { reason: 'unknown ids', detail: `ids must be below the vocabulary's ${config.vocabSize}, got ${unknown}` }
  // A tokenizer that begins texts by itself also begins the empty one.
  const [own] = tokenizer.encode('')
  const [end] = eosIds as [number]
  const begun = own !== undefined && ids[0] === own ? ids : [end, ...ids]
  const all = eosIds.includes(begun.at(-1)!) ? begun : [...begun, end]
  const most = Math.min(config.contextLength, maxLength ?? Number.POSITIVE_INFINITY)
  const trees: Tree[] = []
  for (let from = 0; from < all.length - 1; from += most)
    trees.push({ prompt: [all[from]!], completions: [all.slice(from + 1, from + 1 + most)] })
  return { row, prompt: said, trees, bytes: Buffer.byteLength(said) }
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
  return { row, prompt, trees: [tree], bytes: Buffer.byteLength(completion) }
}

/** One tree for each turn of the assistant, up to its end token. */
function turns(
  messages: readonly Message[],
  row: number,
  { tokenizer, eosIds, config }: Vocabulary,
  { maxLength, template }: { readonly maxLength?: number; readonly template?: ChatTemplate | undefined },
): Text | Refused {
  if (!template)
    return { reason: 'wrong shape', detail: 'messages must have a chat template to be written with, got a model that has none' }
  const most = maxLength ?? config.contextLength
  const trees: Tree[] = []
  for (const [i, { role, content }] of messages.entries()) {
    if (role !== 'assistant') continue
    if (content === '') return { reason: 'empty completion', detail: `message ${i} must say something, got none` }
    const prompt = chatIds(template, tokenizer as Tokenizer, messages.slice(0, i))
    const all = (tokenizer as Tokenizer).encode(template.render(messages.slice(0, i + 1), { answer: false }), { special: false })
    if (prompt.length === 0 || prompt.some((id, k) => id !== all[k]))
      return { reason: 'not a token prefix', detail: `the talk before message ${i} must be the beginning of the talk with it, in tokens` }
    const said = all.slice(prompt.length)
    const end = said.findIndex((id) => eosIds.includes(id))
    const tree = { prompt, completions: [end < 0 ? [...said, eosIds[0]!] : said.slice(0, end + 1)] }
    if (treeLength(tree) > most)
      return { reason: 'too long', detail: `the talk up to message ${i} must take at most ${most} positions, got ${treeLength(tree)}` }
    trees.push(tree)
  }
  if (trees.length === 0) return { reason: 'empty completion', detail: 'the assistant must say something, got no message of its' }
  const own = messages.filter(({ role }) => role === 'assistant')
  return { row, prompt: JSON.stringify(messages[0]), trees, bytes: own.reduce((n, { content }) => n + Buffer.byteLength(content), 0) }
}
