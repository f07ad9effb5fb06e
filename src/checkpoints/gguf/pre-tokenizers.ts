/** How a byte-level BPE cuts a text before it merges, in the words of tokenizer.json. */
export interface PreTokenizer {
  readonly normalizer: object | null
  readonly steps: readonly object[]
  /** A word that is a token is that token, whatever the merges would make of it. */
  readonly wholeWordsFirst: boolean
}

const byteLevel = (ownRegex: boolean) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: ownRegex })
const digits = { type: 'Digits', individual_digits: true }
const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false })

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const words = (numbers: string) =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

const gpt2: PreTokenizer = { normalizer: null, steps: [byteLevel(true)], wholeWordsFirst: false }
const singleDigits: PreTokenizer = { normalizer: null, steps: [digits, byteLevel(true)], wholeWordsFirst: false }
const llama3: PreTokenizer = { normalizer: null, steps: [split(words('\\p{N}{1,3}')), byteLevel(false)], wholeWordsFirst: true }
const dbrx: PreTokenizer = { ...llama3, wholeWordsFirst: false }
const qwen2: PreTokenizer = { normalizer: { type: 'NFC' }, steps: [split(words('\\p{N}')), byteLevel(false)], wholeWordsFirst: false }

/**
 * By the name in `tokenizer.ggml.pre`.
 *
 * source  the tokenizer.json of GPT-2, SmolLM2, Llama 3, OLMo 2 and Qwen2; the names are llama.cpp's
 */
export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': gpt2,
  olmo: gpt2,
  smollm: singleDigits,
  'llama-bpe': llama3,
  llama3,
  dbrx,
  qwen2,
}
