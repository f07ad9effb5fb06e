import type { Tokenizer as Port } from '@huggingface/tokenizers'
import { stepsOf } from './tokenizer-steps.ts'

/** What is read of @huggingface/tokenizers, whose types keep it private. */
interface Inside {
  readonly normalizer: ((text: string) => string) | null
  readonly pre_tokenizer: Cutter | null
  readonly model: { readonly tokens_to_ids: ReadonlyMap<string, number>; encode(words: readonly string[]): string[] }
  readonly added_tokens: readonly { content: string; id: number; lstrip: boolean; rstrip: boolean; normalized: boolean }[]
  readonly added_tokens_map: ReadonlyMap<string, { readonly id: number }>
  readonly remove_space?: boolean
  readonly do_lowercase_and_remove_accent?: boolean
}
interface Cutter {
  readonly tokenizers?: readonly Cutter[]
  readonly pattern?: RegExp
  readonly use_regex?: boolean
  pre_tokenize(text: string | readonly string[], options: object): string[]
}

/** So many words, and so many whole texts between special tokens, are kept with their ids. */
const [keptWords, keptTexts] = [2 ** 16, 64]
/** Longer words are not kept. units UTF-16 */
const longestWord = 64

/**
 * The ids of texts as the tokenizer gives them without its own beginning and end, where a word's ids depend on nothing but the word: those of words
 * that were met before are looked up, and so are texts between special tokens that were just met. Undefined for a tokenizer of another kind.
 */
export function wordIds(port: Port, json: Readonly<Record<string, unknown>>): ((text: string) => number[]) | undefined {
  const inside = port as unknown as Inside
  if (!isByWords(inside, json)) return undefined
  const { cut, spell } = cutting(inside, json)
  const ids = (tokens: readonly string[]) =>
    tokens.map((one) => inside.added_tokens_map.get(one)?.id ?? inside.model.tokens_to_ids.get(one)!)
  const words = new Map<string, readonly number[]>()
  const idsOfWord = (word: string) => {
    const known = words.get(word)
    if (known) return known
    const made = ids(inside.model.encode([spell(word)]))
    if (word.length > longestWord) return made
    if (words.size >= keptWords) words.clear()
    words.set(word, made)
    return made
  }
  const texts = new Map<string, readonly number[]>()
  const idsBetween = (text: string) => {
    const known = texts.get(text)
    if (known) return known
    const made: number[] = []
    for (const word of cut(inside.normalizer ? inside.normalizer(text) : text)) for (const id of idsOfWord(word)) made.push(id)
    if (texts.size >= keptTexts) texts.clear()
    texts.set(text, made)
    return made
  }
  const added = finder(inside.added_tokens)
  return (text) => {
    const made: number[] = []
    const add = (between: string) => {
      if (between !== '') for (const id of idsBetween(between)) made.push(id)
    }
    let from = 0
    for (const { at, length, id } of added(text)) {
      add(text.slice(from, at))
      made.push(id)
      from = at + length
    }
    add(text.slice(from))
    return made
  }
}

/** Whether a word's ids depend on nothing but the word: no piece is unknown, and nothing of a text changes what is around it. */
function isByWords(inside: Inside, json: Readonly<Record<string, unknown>>): boolean {
  const { type = 'BPE', unk_token: unknown, byte_fallback: bytes } = json.model as Readonly<Record<string, unknown>>
  const { tokens_to_ids: known } = inside.model
  const allBytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  const spelled = bytes ? allBytes.every((piece) => known.has(piece)) : unknown == null
  // Those that look at where in a text a piece stands.
  const placed = stepsOf('', json.pre_tokenizer, 'pretokenizers').some(([, step]) => step.type === 'Metaspace')
  const around = inside.added_tokens.some(
    ({ lstrip, rstrip, normalized, content }) => lstrip || rstrip || content === '' || (normalized && inside.normalizer !== null),
  )
  return type === 'BPE' && spelled && !placed && !around && !inside.remove_space && !inside.do_lowercase_and_remove_accent
}

/** How a text is cut into words, and how the model's vocabulary spells one: where bytes are spelled last, words are kept as they were before. */
function cutting({ pre_tokenizer: all }: Inside, json: Readonly<Record<string, unknown>>) {
  const same = (word: string) => word
  if (!all) return { cut: (text: string) => [text], spell: same }
  const steps = all.tokenizers ?? [all]
  const last = steps.at(-1)
  const [, described] = stepsOf('', json.pre_tokenizer, 'pretokenizers').at(-1) ?? []
  if (last?.use_regex === undefined || described?.type !== 'ByteLevel' || described.add_prefix_space)
    return { cut: (text: string) => all.pre_tokenize(text, { section_index: 0 }), spell: same }
  const before = steps.slice(0, -1)
  const byPattern = (text: string): readonly string[] => (last.use_regex ? (text.match(last.pattern!) ?? []) : [text])
  return {
    cut(text: string) {
      const parts = before.reduce<string | readonly string[]>((cutSoFar, step) => step.pre_tokenize(cutSoFar, { section_index: 0 }), text)
      return typeof parts === 'string' ? byPattern(parts) : parts.flatMap(byPattern)
    },
    // A word is one match of the pattern, so it is spelled whole.
    spell: (word: string) => last.pre_tokenize(word, { section_index: 0 }).join(''),
  }
}

/** Finds tokens that were added, from left to right, of several at a place the longest. */
function finder(added: Inside['added_tokens']): (text: string) => readonly { at: number; length: number; id: number }[] {
  const byFirst = new Map<string, { content: string; id: number }[]>()
  for (const { content, id } of added) byFirst.set(content[0]!, [...(byFirst.get(content[0]!) ?? []), { content, id }])
  for (const some of byFirst.values()) some.sort((a, b) => b.content.length - a.content.length)
  if (byFirst.size === 0) return () => []
  const firsts = new RegExp(
    `[${[...byFirst.keys()].map((first) => `\\u${first.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}]`,
    'g',
  )
  return (text) => {
    const found: { at: number; length: number; id: number }[] = []
    firsts.lastIndex = 0
    for (let match = firsts.exec(text); match; match = firsts.exec(text)) {
      const one = byFirst.get(match[0])!.find(({ content }) => text.startsWith(content, match!.index))
      if (!one) continue
      found.push({ at: match.index, length: one.content.length, id: one.id })
      firsts.lastIndex = match.index + one.content.length
    }
    return found
  }
}
