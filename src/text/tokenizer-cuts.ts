import type { Tokenizer as Port } from '@huggingface/tokenizers'
import { stepsOf } from './tokenizer-steps.ts'
import { newerMarks, newerPunctuation } from './unicode-8.ts'

interface Cutter {
  readonly tokenizers?: readonly Cutter[]
  readonly replacement?: string
  pattern?: RegExp
  pre_tokenize_text(text: string, options?: object): string[]
}
interface Normalizer {
  readonly normalizers?: readonly Normalizer[]
  normalize(text: string): string
  tokenize_chinese_chars?(text: string): string
  strip_accents?(text: string): string
}
interface Model {
  readonly tokens_to_ids: ReadonlyMap<string, number>
  readonly scores?: number[]
  bpe?(word: string): string[]
}
interface Decoder {
  readonly decoders?: readonly Decoder[]
  readonly byte_decoder?: Readonly<Record<string, number>>
  readonly added_tokens?: readonly { readonly content: string }[]
  text_decoder?: { decode(bytes: Uint8Array): string }
  convert_tokens_to_string?(tokens: readonly string[]): string
  decode_chain?(tokens: readonly string[]): string[]
}

// White space is Unicode's: JavaScript's \s has U+FEFF and lacks U+0085. Numbers are all of \p{N}.
const byteLevel =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu
const space = /\p{White_Space}/gu
const spaces = /\p{White_Space}+/gu
const number = /\p{N}/gu
const punctuation = new RegExp(String.raw`(?![${newerPunctuation}])[\p{P}\u0021-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007E]`, 'gu')
const marks = new RegExp(String.raw`(?![${newerMarks}])\p{Mn}`, 'gu')
const letter = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d`
const words = new RegExp(String.raw`[${letter}]+|[^${letter}\p{White_Space}]+`, 'gu')

/**
 * Makes the steps of @huggingface/tokenizers do what the original's do, where they differ: how a text is cut, what is white space, a digit and
 * punctuation, how letters are lowered, and U+FEFF among decoded bytes.
 *
 * source  https://github.com/huggingface/tokenizers, tokenizers/src/pre_tokenizers and tokenizers/src/tokenizer/normalizer.rs
 */
export function mendSteps(port: Port, json: Readonly<Record<string, unknown>>) {
  const { pre_tokenizer, normalizer, decoder, model } = port as unknown as {
    readonly model: Model
    readonly pre_tokenizer: Cutter | null
    readonly normalizer: Normalizer | null
    readonly decoder: Decoder | null
  }
  mendModel(model, json)
  const cutters = flat(pre_tokenizer, ({ tokenizers }) => tokenizers)
  const described = stepsOf('', json.pre_tokenizer, 'pretokenizers').map(([, one]) => one)
  for (const [i, one] of described.entries()) mendCutter(cutters[i]!, one)
  const normalizers = flat(normalizer, (one) => one.normalizers)
  for (const [i, [, one]] of stepsOf('', json.normalizer, 'normalizers').entries()) mendNormalizer(normalizers[i]!, one)
  for (const one of flat(decoder, ({ decoders }) => decoders)) {
    if (one.text_decoder) one.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    if (one.byte_decoder) quickenBytes(one, one.byte_decoder)
  }
}

/** Spelled bytes become text by a table, and added tokens are known by a set; what comes out is the same. */
function quickenBytes(decoder: Decoder, byteOf: Readonly<Record<string, number>>) {
  const table = new Uint8Array(2 ** 16)
  for (const [letter, byte] of Object.entries(byteOf)) table[letter.charCodeAt(0)] = byte
  decoder.convert_tokens_to_string = (tokens) => {
    const text = tokens.join('')
    const bytes = new Uint8Array(text.length)
    let length = 0
    // Of a letter of two units, which stands for no byte, only the first counts.
    for (let i = 0; i < text.length; i++) {
      bytes[length++] = table[text.charCodeAt(i)]!
      if (text.codePointAt(i)! > 0xffff) i++
    }
    return decoder.text_decoder!.decode(bytes.subarray(0, length))
  }
  let added: ReadonlySet<string> | undefined
  decoder.decode_chain = (tokens) => {
    added ??= new Set(decoder.added_tokens?.map(({ content }) => content))
    const texts: string[] = []
    let from = 0
    tokens.forEach((token, i) => {
      if (!added!.has(token)) return
      if (i > from) texts.push(decoder.convert_tokens_to_string!(tokens.slice(from, i)))
      texts.push(token)
      from = i + 1
    })
    return from < tokens.length ? [...texts, decoder.convert_tokens_to_string!(tokens.slice(from))] : texts
  }
}

/** A BPE drops characters that no token has before it merges, where there is neither an unknown token nor bytes. */
function mendModel(model: Model, json: Readonly<Record<string, unknown>>) {
  const { type, unk_token, byte_fallback, vocab, unk_id } = json.model as Readonly<Record<string, unknown>>
  // The unknown piece may be written in a text, where it has its own score.
  if (type === 'Unigram' && model.scores && typeof unk_id === 'number') model.scores[unk_id] = (vocab as [string, number][])[unk_id]![1]
  if ((type ?? 'BPE') !== 'BPE' || unk_token != null || byte_fallback || !model.bpe) return
  const merged = model.bpe.bind(model)
  model.bpe = (word) => merged(Array.from(word, (letter) => (model.tokens_to_ids.has(letter) ? letter : '')).join(''))
}

function mendCutter(cutter: Cutter, one: Readonly<Record<string, unknown>>) {
  const { type } = one
  const behaviour = String(one.behavior ?? 'isolated').toLowerCase()
  if (type === 'Split' && cutter.pattern) {
    const { pattern } = cutter
    cutter.pre_tokenize_text = (text) => cut(text, pattern, behaviour, one.invert === true)
  }
  if (type === 'ByteLevel') cutter.pattern = byteLevel
  if (type === 'Digits') cutter.pre_tokenize_text = (text) => cut(text, number, one.individual_digits ? 'isolated' : 'contiguous')
  if (type === 'Punctuation') cutter.pre_tokenize_text = (text) => cut(text, punctuation, behaviour)
  if (type === 'Whitespace') cutter.pre_tokenize_text = (text) => text.match(words) ?? []
  if (type === 'WhitespaceSplit') cutter.pre_tokenize_text = (text) => cut(text, spaces, 'removed')
  if (type === 'BertPreTokenizer')
    cutter.pre_tokenize_text = (text) => cut(text, spaces, 'removed').flatMap((word) => cut(word, punctuation, 'isolated'))
  if (type === 'Metaspace' && one.split !== false) {
    const whole = cutter.pre_tokenize_text.bind(cutter)
    const mark = new RegExp(cutter.replacement!.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gu')
    cutter.pre_tokenize_text = (text, options) => whole(text, options).flatMap((piece) => cut(piece, mark, 'mergedwithnext'))
  }
}

function mendNormalizer(normalizer: Normalizer, one: Readonly<Record<string, unknown>>) {
  // Letter by letter: JavaScript lowers a sigma at the end of a word to another one.
  const lower = (text: string) => Array.from(text, (letter) => letter.toLowerCase()).join('')
  if (one.type === 'Lowercase') normalizer.normalize = lower
  if (one.type !== 'BertNormalizer') return
  const strip = (text: string) => text.normalize('NFD').replace(marks, '')
  const clean = (text: string) =>
    text.replace(/[\0\ufffd]|(?![\t\n\r\u0890\u0891\u08e2\u{110cd}\u{13430}-\u{1343f}])[\p{Cc}\p{Cf}\p{Co}]/gu, '').replace(space, ' ')
  const apart = (text: string) => text.replace(chinese, ' $& ')
  normalizer.normalize = (text) => {
    let said = one.clean_text === false ? text : clean(text)
    if (one.handle_chinese_chars !== false) said = apart(said)
    if (one.strip_accents ?? one.lowercase) said = strip(said)
    return one.lowercase ? lower(said) : said
  }
}

const chinese =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu

function flat<T>(step: T | null, inner: (step: T) => readonly T[] | undefined): T[] {
  return step ? [step, ...(inner(step) ?? []).flatMap((one) => flat(one, inner))] : []
}

/** Pieces of a text that a pattern cuts; what matches is kept as the behaviour says, what does not match likewise where it is inverted. */
export function cut(text: string, pattern: RegExp, behaviour: string, invert = false): string[] {
  const parts: { text: string; match: boolean }[] = []
  const add = (from: number, to: number, match: boolean) => {
    if (to > from) parts.push({ text: text.slice(from, to), match: match !== invert })
  }
  let at = 0
  for (const { 0: match, index } of text.matchAll(pattern)) {
    add(at, index, false)
    add(index, index + match.length, true)
    at = index + match.length
  }
  add(at, text.length, false)
  if (behaviour === 'removed') return parts.filter(({ match }) => !match).map((part) => part.text)
  if (behaviour === 'isolated') return parts.map((part) => part.text)
  const forward = behaviour !== 'mergedwithnext'
  const joined: string[] = []
  let before = false
  for (const { text: part, match } of forward ? parts : parts.reverse()) {
    const joins = behaviour === 'contiguous' ? match === before : match && !before
    if (!joins || joined.length === 0) joined.push(part)
    else joined.push(forward ? joined.pop()! + part : part + joined.pop()!)
    before = match
  }
  return forward ? joined : joined.reverse()
}
