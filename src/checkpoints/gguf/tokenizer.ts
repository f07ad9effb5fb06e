import { z } from 'zod'
import { parse } from '../../files/json.ts'
import { UserError } from '../../graph/errors.ts'
import { addedToken, frame, type Piece, sentencePieceJson } from '../../text/sentencepiece.ts'
import type { GgufValue } from './header.ts'
import { preTokenizers } from './pre-tokenizers.ts'

const remedy = 'choose another conversion of the model'
// llama.cpp writes −1, that is 2^32 − 1, for a token that there is not.
const none = 2 ** 32 - 1
const id = z
  .int()
  .nonnegative()
  .transform((value) => (value === none ? undefined : value))
// Lists of a hundred thousand, so not checked one by one through a schema.
const listOf = <T extends string | number>(type: 'string' | 'number') =>
  z.custom<readonly T[]>((list) => Array.isArray(list) && list.every((x) => typeof x === type), `expected a list of ${type}s`)
const keys = z.object({
  model: z.enum(['gpt2', 'llama']),
  pre: z.string().optional(),
  tokens: listOf<string>('string'),
  token_type: listOf<number>('number').optional(),
  scores: listOf<number>('number').optional(),
  merges: listOf<string>('string').optional(),
  bos_token_id: id.optional(),
  eos_token_id: id.optional(),
  eot_token_id: id.optional(),
  eom_token_id: id.optional(),
  unknown_token_id: id.optional(),
  padding_token_id: id.optional(),
  add_bos_token: z.boolean().optional(),
  add_eos_token: z.boolean().optional(),
  add_space_prefix: z.boolean().optional(),
})
type Told = z.infer<typeof keys>

/** What a token is, by its number in tokenizer.ggml.token_type. */
export const tokenKinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** Control tokens that end a turn, whatever else the file says: chat models are often converted with the end of a document alone. */
const turnEnds = ['<|im_end|>', '<|eot_id|>', '<|end|>', '<end_of_turn>', '<|endoftext|>']

/**
 * The tokenizer of a GGUF file as Hugging Face's files would say it: `tokenizer` is tokenizer.json.
 *
 * throws  UserError for another kind than byte-level BPE and SentencePiece's BPE, an unknown pre-tokenizer, and lists that do not fit
 * limits  a merge of or to a token that the file has blanked is not made: llama.cpp makes it, and says the bytes of what is no token
 */
export function readGgufTokenizer(file: string, metadata: ReadonlyMap<string, GgufValue>) {
  const prefix = 'tokenizer.ggml.'
  const given = Object.fromEntries(
    [...metadata].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
  )
  const said = parse(`${file}: ${prefix}*`, given, keys, remedy)
  // Unused tokens may all be empty: they fill up the rows of the embedding.
  const tokens = said.tokens.map((text, i) => (text === '' && said.token_type?.[i] === tokenKinds.unused ? `[PAD${i}]` : text))
  const told = { ...said, tokens }
  const must = (holds: boolean, message: () => string) => {
    if (!holds) throw new UserError(`${file}: ${message()}; ${remedy}`)
  }
  for (const [key, list] of [['token_type', told.token_type], ['scores', told.scores]] as const)
    must(list === undefined || list.length === tokens.length, () => `${prefix}${key} must have one entry per token, got ${list!.length} of ${tokens.length}`) // biome-ignore format: one rule a line
  const ids = new Map(tokens.map((text, i) => [text, i]))
  must(ids.size === tokens.length, () => `${prefix}tokens must all differ, got ${tokens.length - ids.size} twice`)
  for (const [key, value] of Object.entries(told))
    if (key.endsWith('_id') && typeof value === 'number') must(value < tokens.length, () => `${prefix}${key} must be one of ${tokens.length} tokens, got ${value}`) // biome-ignore format: one rule a line

  const textOf = (i: number | undefined) => (i === undefined ? undefined : tokens[i])
  const kindOf = (i: number) => told.token_type?.[i] ?? tokenKinds.normal
  const begin = (told.add_bos_token ?? beginsByDefault(told)) ? textOf(told.bos_token_id) : undefined
  const end = told.add_eos_token ? textOf(told.eos_token_id) : undefined
  const ends = [told.eos_token_id, told.eot_token_id, told.eom_token_id, ...turnEnds.map((text) => ids.get(text))]
  const eos = [...new Set(ends.filter((i, place) => i !== undefined && (place < 3 || kindOf(i) === tokenKinds.control)))]
  const template = metadata.get('tokenizer.chat_template')
  const one = (key: string, value: unknown) => (value === undefined ? {} : { [key]: value })
  return {
    tokenizer: told.model === 'llama' ? sentencePiece(told, kindOf, begin, end) : byteLevel(file, told, kindOf, ids, begin, end),
    'generation_config.json': {
      ...one('bos_token_id', told.bos_token_id),
      ...one('eos_token_id', eos.length > 1 ? eos : eos[0]),
      ...one('pad_token_id', told.padding_token_id),
    },
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...one('bos_token', textOf(told.bos_token_id)),
      ...one('eos_token', textOf(told.eos_token_id)),
      ...one('unk_token', textOf(told.unknown_token_id)),
      ...one('pad_token', textOf(told.padding_token_id)),
      ...one('chat_template', typeof template === 'string' ? template : undefined),
      clean_up_tokenization_spaces: false,
    },
  }
}

/** llama.cpp's own defaults where a file does not say whether a text starts with a token. */
function beginsByDefault({ model, pre }: Told): boolean {
  return model === 'llama' || pre === 'llama-bpe' || pre === 'llama3'
}

function byteLevel(
  file: string,
  { tokens, merges = [], pre = 'gpt-2' }: Told,
  kindOf: (i: number) => number,
  ids: ReadonlyMap<string, number>,
  begin?: string,
  end?: string,
) {
  const cut = Object.hasOwn(preTokenizers, pre) ? preTokenizers[pre] : undefined
  if (cut === undefined)
    throw new UserError(`${file}: tokenizer.ggml.pre must be one of ${Object.keys(preTokenizers).join(', ')}, got ${pre}; ${remedy}`)
  // Unused tokens fill up the rows of the embedding and stand for no text.
  const used = tokens.flatMap((text, i) => (kindOf(i) === tokenKinds.unused ? [] : [[text, i] as const]))
  const added = used.filter(([, i]) => kindOf(i) !== tokenKinds.normal)
  const blanked = tokens.some((_, i) => kindOf(i) === tokenKinds.unused)
  const kept = merges.filter((merge, i) => {
    const cut = merge.indexOf(' ')
    if (ids.has(merge.slice(0, cut)) && ids.has(merge.slice(cut + 1)) && ids.has(merge.replace(' ', ''))) return true
    if (blanked && cut > 0) return false
    throw new UserError(`${file}: tokenizer.ggml.merges.${i} must join two tokens to a third, got ${JSON.stringify(merge)}; ${remedy}`)
  })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map(([text, i]) => addedToken(text, i, kindOf(i) !== tokenKinds.userDefined)),
    normalizer: cut.normalizer,
    pre_tokenizer: { type: 'Sequence', pretokenizers: cut.steps },
    post_processor: frame((text) => ids.get(text)!, begin, end),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: cut.wholeWordsFirst,
      vocab: Object.fromEntries(used),
      merges: kept,
    },
  }
}

function sentencePiece(
  { tokens, scores, unknown_token_id, add_space_prefix }: Told,
  kindOf: (i: number) => number,
  begin?: string,
  end?: string,
) {
  const kinds: Record<number, Piece['kind']> = {
    [tokenKinds.normal]: 'text',
    [tokenKinds.unknown]: 'unknown',
    [tokenKinds.control]: 'special',
    [tokenKinds.userDefined]: 'added',
    [tokenKinds.unused]: 'special',
    [tokenKinds.byte]: 'byte',
  }
  const pieces = tokens.map((text, i): Piece => ({ text, score: scores?.[i] ?? -i, kind: kinds[kindOf(i)] ?? 'text' }))
  return sentencePieceJson(pieces, {
    unknown: tokens[unknown_token_id ?? 0]!,
    prefixSpace: add_space_prefix ?? true,
    ...(begin === undefined ? {} : { begin }),
    ...(end === undefined ? {} : { end }),
  })
}
