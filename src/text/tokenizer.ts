import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import { mendSteps } from './tokenizer-cuts.ts'
import { bytePieces, lackOf, mendTokenizerJson } from './tokenizer-steps.ts'
import { wordIds } from './word-ids.ts'

/** Strings to integers and back. */
export interface Tokenizer {
  /**
   * Ids of a text, with the special tokens the tokenizer itself adds, such as a leading beginning-of-text; without them where `special` is
   * false. Special tokens that stand in the text are read as such either way.
   */
  encode(text: string, options?: { readonly special?: boolean }): number[]
  /** Text of ids, without special tokens; ids that stand for no piece (padding rows of an embedding) say nothing. */
  decode(ids: readonly number[]): string
  /** One above the highest id, or the rows of the embedding where these are fewer. */
  readonly vocabSize: number
  /** One visible piece per id, as the vocabulary writes it (`▁cat`, `<0x0A>`, `<s>`). */
  pieces(ids: readonly number[]): string[]
}

const remedy = 'a model folder holds tokenizer.json as Hugging Face tokenizers writes it'
// The library holds ids in a list as long as the highest of them.
const id = z
  .int()
  .nonnegative()
  .max(2 ** 20)
const tokenizerFile = z.looseObject({
  model: z.looseObject({
    type: z.enum(['BPE', 'Unigram', 'WordPiece']).optional(),
    vocab: z.union([z.record(z.string(), id), z.array(z.unknown())]),
  }),
  added_tokens: z.array(z.looseObject({ id, content: z.string() })).default([]),
})

/** The files of a model folder that a tokenizer is made of; only the first must be there. */
export const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'tokenizer.model',
  'chat_template.jinja',
]

/**
 * The tokenizer of a model folder, from its tokenizer.json and, where there is one, tokenizer_config.json. The embedding may have fewer
 * `rows` than added tokens need, such as those for images: texts with such a token are refused.
 *
 * throws  UserError when a file is missing, is not JSON, or describes a tokenizer that @huggingface/tokenizers does not read, and when
 *         the vocabulary needs more than `rows`
 * limits  special tokens come from tokenizer.json alone: `add_bos_token` in tokenizer_config.json is not consulted
 */
export async function loadTokenizer(folder: string, { rows }: { readonly rows?: number } = {}): Promise<Tokenizer> {
  const file = join(folder, 'tokenizer.json')
  const configFile = join(folder, 'tokenizer_config.json')
  const parts = await readJson(file, tokenizerFile, remedy)
  if (rows !== undefined) checkRows(folder, parts, rows)
  const config = (await exists(configFile)) ? await readJson(configFile, z.looseObject({}), remedy) : {}
  const lack = lackOf(parts)
  if (lack)
    throw new UserError(
      `${file}: ${lack.field} ${lack.rule}, got ${JSON.stringify(lack.got) ?? 'nothing'}; that is not done here, choose another tokenizer`,
    )
  try {
    const json = mendTokenizerJson(parts, config)
    const whole = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...json }
    const port = new HuggingFaceTokenizer({ ...whole, pre_tokenizer: whole.pre_tokenizer ?? byWords(json.model) }, config)
    mendSteps(port, whole)
    return wrap(file, port, { rows, bytes: bytePieces(whole), quick: wordIds(port, whole) })
  } catch (cause) {
    throw new UserError(`${file}: must be a tokenizer that @huggingface/tokenizers reads, got "${(cause as Error).message}"; ${remedy}`, {
      cause,
    })
  }
}

/**
 * How a text may be cut before its pieces are merged, so that words already met are looked up: before each space, written `▁`, that follows
 * something else, if no merge reaches across such a place. So it is with SentencePiece's vocabularies, which say nothing of words themselves.
 */
function byWords(model: object): object | null {
  const { type, merges, ignore_merges, end_of_word_suffix, continuing_subword_suffix } = model as Readonly<Record<string, unknown>>
  if (type !== 'BPE' || ignore_merges || end_of_word_suffix || continuing_subword_suffix || !Array.isArray(merges)) return null
  const merged = (merge: unknown) => (Array.isArray(merge) ? merge.join('') : String(merge).replace(' ', ''))
  if (merges.some((merge) => /[^▁]▁/.test(merged(merge)))) return null
  return { type: 'Split', pattern: { Regex: '▁*[^▁]+|▁+' }, behavior: 'Isolated', invert: true }
}

/** What a model says itself has rows, but tokens that were added to it need not. */
function checkRows(folder: string, { model, added_tokens: added }: z.infer<typeof tokenizerFile>, rows: number) {
  const beyond = new Set(added.filter(({ id }) => id >= rows).map(({ content }) => content))
  const highest = Array.isArray(model.vocab)
    ? model.vocab.length - 1
    : Object.entries(model.vocab).reduce((max, [text, id]) => (beyond.has(text) ? max : Math.max(max, id)), -1)
  if (highest >= rows)
    throw new UserError(
      `${folder}: the tokenizer's ids must fit the ${rows} rows of the embedding, got ${highest + 1} ids; are tokenizer.json and config.json of the same model?`,
    )
}

interface Wrapping {
  readonly rows: number | undefined
  readonly bytes: readonly number[] | undefined
  readonly quick: ((text: string) => number[]) | undefined
}

function wrap(file: string, inner: HuggingFaceTokenizer, { rows = Number.POSITIVE_INFINITY, bytes, quick }: Wrapping): Tokenizer {
  const { model } = inner as unknown as { model: { fuse_unk: boolean; tokens_to_ids: ReadonlyMap<string, number> } }
  // Pieces that are unknown stay apart, so that each is known by its text.
  if (bytes) model.fuse_unk = false
  const attempt = <T>(what: string, make: () => T): T => {
    try {
      return make()
    } catch (cause) {
      throw new UserError(`${file}: must ${what}, got "${(cause as Error).message}"; ${remedy}`, { cause })
    }
  }
  const idsOf = (text: string, special: boolean): number[] =>
    attempt('put a text into tokens', () => {
      if (quick && !special) return quick(text)
      const { ids, tokens } = inner.encode(text, { add_special_tokens: special })
      if (!bytes) return ids
      const known = (piece: string) => model.tokens_to_ids.has(piece)
      return ids.flatMap((id: number, i: number) =>
        known(tokens[i]!) ? [id] : Array.from(Buffer.from(tokens[i]!), (byte) => bytes[byte]!),
      )
    })
  const highest = [...inner.get_vocab().values()].reduce((max, id) => Math.max(max, id), -1)
  return {
    vocabSize: Math.min(highest + 1, rows),
    encode(text, { special = true } = {}) {
      const ids = idsOf(text, special)
      const beyond = highest < rows ? undefined : ids.find((id: number) => id >= rows)
      if (beyond === undefined) return ids
      throw new UserError(
        `text: every token must have one of the ${rows} rows of the embedding, got ${inner.id_to_token(beyond)} with the id ${beyond}; take it out of the text`,
      )
    },
    decode(ids) {
      const known = ids.filter((id) => inner.id_to_token(id) !== undefined)
      // Cleaning up would drop spaces before punctuation: text that was never said.
      return known.length === 0
        ? ''
        : attempt('put tokens into a text', () => inner.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false }))
    },
    pieces: (ids) => ids.map((id) => inner.id_to_token(id) ?? `<id ${id}>`),
  }
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
