import type { Tokenizer } from './tokenizer.ts'

type Encoder = Pick<Tokenizer, 'encode'>

/** What a tokenizer puts around every text by itself. */
export interface Frame {
  readonly begin: readonly number[]
  readonly end: readonly number[]
}

const frames = new WeakMap<Encoder, Frame>()

/** The tokens a tokenizer adds before and after a text, found by encoding one with and without them. */
export function frameOf(tokenizer: Encoder): Frame {
  const known = frames.get(tokenizer)
  if (known) return known
  const [whole, plain] = [tokenizer.encode('a'), tokenizer.encode('a', { special: false })]
  const at = plain.length === 0 ? -1 : whole.findIndex((_, i) => plain.every((id, k) => whole[i + k] === id))
  const frame = at < 0 ? { begin: [], end: [] } : { begin: whole.slice(0, at), end: whole.slice(at + plain.length) }
  frames.set(tokenizer, frame)
  return frame
}

/**
 * Ids of a text that a model goes on from: the tokenizer's own beginning once, also where the text writes it, and never its own end.
 * `written` says that the text brought the beginning.
 */
export function beginningIds(tokenizer: Encoder, text: string): { readonly ids: readonly number[]; readonly written: boolean } {
  const { begin } = frameOf(tokenizer)
  const plain = tokenizer.encode(text, { special: false })
  const written = begin.length > 0 && begin.every((id, i) => plain[i] === id)
  return { ids: written ? plain : [...begin, ...plain], written }
}
