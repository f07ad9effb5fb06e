import { beginningIds } from '../text/beginning.ts'
import type { ChatTemplate } from '../text/index.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { cutTalk } from './cut-talk.ts'
import type { Labelled, Pair } from './pair.ts'
import type { Reason } from './quarantine.ts'
import type { LabelledText, PairText, PreferenceRow } from './row.ts'
import { endedOnce, textAfterEnd } from './special-tokens.ts'
import { commonPrefix } from './talk-tokens.ts'
import { keptTokens, lengthOf, type Truncate, truncated } from './truncate.ts'
import { readLabelVotes, readVotes } from './votes.ts'

/** What tokenising needs of a model; a Checkpoint is one. */
export interface Vocabulary {
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'decode' | 'pieces'>
  /** The first one is appended to text completions. */
  readonly eosIds: readonly number[]
  readonly config: { readonly vocabSize: number; readonly contextLength: number }
}

/** What to do when the prompt's tokens are not the first tokens of prompt + completion. */
export type Boundary = 'strict' | 'trim'

export interface Tokenising {
  /** `strict` (the default) sets such rows aside, `trim` does what TRL does: what all agree on stays the prompt. */
  readonly boundary?: Boundary
  /** Rows whose prompt and longer completion have more tokens are too long. Default: the model's context. */
  readonly maxLength?: number
  /** What becomes of rows that are too long: set aside (`none`, the default), or cut. */
  readonly truncate?: Truncate | undefined
  /** Whether what reward models alone read is read: `margin` of pairs and `votes` of labelled completions; elsewhere these columns are any other. */
  readonly rewardColumns?: boolean
  /** The model's chat template: what talks are written with. */
  readonly template?: ChatTemplate | undefined
}

/** A row in tokens and what was done to it, or why it can not be used. */
export type Tokenised =
  | {
      readonly example: Pair | Labelled
      readonly trimmed: number
      readonly endTokens: number
      readonly begins: number
      readonly ends: number
      /** Tokens that were cut off, so that the row fits. */
      readonly cutTokens: number
    }
  | { readonly reason: Reason; readonly detail: string }

/**
 * Turns a row into tokens. A text completion is what encode(prompt + completion) has beyond encode(prompt), and then the end token,
 * unless it stands there already; rows of ids are taken verbatim.
 *
 * With `trim` the prompt ends where encode(prompt), encode(prompt + chosen) and encode(prompt + rejected) first differ, and the
 * completions begin there, so tokens of the prompt's end may be lost to, or merged into, the completions.
 *
 * source  TRL 1.16 DPOTrainer._prepare_dataset (tokenize_fn, common_prefix_length); it appends the end token's text before encoding,
 *         we append its id, which a tokenizer that knows it as a special token gives as well
 */
export function tokenise(row: PreferenceRow, number: number, vocabulary: Vocabulary, options: Tokenising = {}): Tokenised {
  const read = votesOf(row, options)
  if ('detail' in read) return { reason: 'bad votes', detail: read.detail }
  const whole = cutOf(row, vocabulary, options)
  if ('reason' in whole) return whole
  const cut = fitted(whole, row, vocabulary, options)
  const problem = problemWith(cut, vocabulary, options)
  if (problem) return problem
  const { trimmed, endTokens, begins, ends, cutTokens = 0 } = cut
  const example = build(row, number, cut, read)
  return { example, trimmed, endTokens, begins, ends, cutTokens }
}

function votesOf(row: PreferenceRow, { rewardColumns = false }: Tokenising): ReturnType<typeof readVotes> {
  if ('label' in row) return rewardColumns ? readLabelVotes(row) : {}
  return readVotes(rewardColumns ? row : { votes: row.votes, gap: row.gap })
}

/** A row that fits, cut where it is too long and may be. */
function fitted(cut: Cut, row: PreferenceRow, vocabulary: Vocabulary, options: Tokenising): Cut {
  const { truncate = 'none', template } = options
  const limit = limitOf(vocabulary, options)
  if (truncate === 'none' || cut.sides.length === 0 || lengthOf(cut) <= limit) return cut
  return truncated(cut, truncate, limit, keptTokens(row, cut, vocabulary, template))
}

function limitOf({ config }: Vocabulary, { maxLength = Number.POSITIVE_INFINITY }: Tokenising): number {
  return Math.min(maxLength, config.contextLength)
}

function cutOf(row: PreferenceRow, vocabulary: Vocabulary, options: Tokenising): Cut | { reason: Reason; detail: string } {
  const { boundary = 'strict', template } = options
  switch (row.form) {
    case 'pairIds':
      return verbatim(row.prompt_ids, [row.chosen_ids, row.rejected_ids])
    case 'labelledIds':
      return verbatim(row.prompt_ids, [row.completion_ids])
    case 'pairTalk':
    case 'labelledTalk':
      if (!template && 'plain' in row && row.plain) return cutText(row.plain, vocabulary, boundary)
      return cutTalk(row, vocabulary, { boundary, template })
    default:
      return cutText(row, vocabulary, boundary)
  }
}

/** A row in tokens, before it is looked at whether a model can use it. */
export interface Cut {
  readonly prompt: readonly number[]
  readonly sides: readonly (readonly number[])[]
  /** Tokens the prompt lost at its end. */
  readonly trimmed: number
  /** End tokens appended. */
  readonly endTokens: number
  /** Of each side, whether it was; of ids none is. */
  readonly added?: readonly boolean[]
  /** Tokens that were cut off, so that the row fits. */
  readonly cutTokens?: number
  /** 1 where the text itself wrote the beginning that the tokenizer adds. */
  readonly begins: number
  /** Sides whose text wrote more than one end, or blanks after it. */
  readonly ends: number
  /** What people are shown: of a talk as the template writes it. Rows of ids have none. */
  readonly text?: { readonly prompt: string; readonly sides: readonly string[] }
}

function verbatim(prompt: readonly number[], sides: readonly (readonly number[])[]): Cut {
  return { prompt, sides, trimmed: 0, endTokens: 0, begins: 0, ends: 0 }
}

function cutText(
  row: PairText | LabelledText,
  { tokenizer, eosIds }: Vocabulary,
  boundary: Boundary,
): Cut | { reason: Reason; detail: string } {
  const texts = row.form === 'pairText' ? [row.chosen, row.rejected] : [row.completion]
  const names = row.form === 'pairText' ? ['chosen', 'rejected'] : ['completion']
  const empty = texts.indexOf('')
  if (empty >= 0) return { reason: 'empty completion', detail: `${names[empty]} must have text, got none` }
  for (const [i, text] of texts.entries()) {
    const rest = textAfterEnd(text, { tokenizer, eosIds })
    if (rest !== undefined)
      return {
        reason: 'text after an end',
        detail: `${names[i]} must stop at its end token, got more after it: ${JSON.stringify(rest.slice(0, 60))}`,
      }
  }
  const { ids: prompt, written } = beginningIds(tokenizer, row.prompt)
  const wholes = texts.map((text) => beginningIds(tokenizer, row.prompt + text).ids)
  const kept = Math.min(...wholes.map((whole) => commonPrefix(prompt, whole)))
  const trimmed = prompt.length - kept
  if (trimmed > 0 && boundary === 'strict') {
    const side = wholes.findIndex((whole) => commonPrefix(prompt, whole) === kept)
    return {
      reason: 'not a token prefix',
      detail: `with ${names[side]} the prompt's tokens change from token ${kept} of ${prompt.length} on: ${shown(tokenizer, prompt, kept)} becomes ${shown(tokenizer, wholes[side]!, kept)}`,
    }
  }
  const sides = wholes.map((whole) => whole.slice(kept))
  const bare = sides.findIndex((side) => side.length === 0)
  if (bare >= 0) return { reason: 'empty completion', detail: `${names[bare]} must add a token to the prompt, got none` }
  const ended = sides.map((side) => endedOnce(side, { tokenizer, eosIds }))
  return {
    prompt: prompt.slice(0, kept),
    sides: ended.map(({ ids }) => ids),
    trimmed,
    added: ended.map(({ added }) => added),
    endTokens: ended.filter(({ added }) => added).length,
    begins: written ? 1 : 0,
    ends: ended.filter(({ doubled }) => doubled).length,
    text: { prompt: row.prompt, sides: texts },
  }
}

function problemWith({ prompt, sides }: Cut, vocabulary: Vocabulary, options: Tokenising): { reason: Reason; detail: string } | undefined {
  const { config } = vocabulary
  const unknown = [prompt, ...sides].flat().find((id) => id >= config.vocabSize)
  if (unknown !== undefined)
    return { reason: 'unknown ids', detail: `ids must be below the vocabulary's ${config.vocabSize}, got ${unknown}` }
  if (prompt.length === 0) return { reason: 'empty prompt', detail: 'the prompt must have at least one token, got none' }
  if (sides.some((side) => side.length === 0))
    return { reason: 'empty completion', detail: 'a completion must have at least one token, got none' }
  const [a, b] = sides
  if (a && b && a.length === b.length && commonPrefix(a, b) === a.length) {
    return { reason: 'identical sides', detail: `chosen and rejected must differ, got the same ${a.length} tokens` }
  }
  const limit = limitOf(vocabulary, options)
  const length = lengthOf({ prompt, sides })
  if (length > limit) return { reason: 'too long', detail: `prompt and longer completion must have at most ${limit} tokens, got ${length}` }
  return undefined
}

function build(
  row: PreferenceRow,
  number: number,
  { prompt, sides, text }: Cut,
  { votes, gap, margin }: { votes?: Pair['votes']; gap?: true; margin?: number },
): Pair | Labelled {
  const [a, b] = sides
  const said = text?.sides
  if ('label' in row)
    return {
      ...{ row: number, prompt, completion: a!, label: row.label },
      ...(votes ? { votes } : {}),
      ...(text && { text: { prompt: text.prompt, completion: said![0]! } }),
    }
  const shown = text && { text: { prompt: text.prompt, chosen: said![0]!, rejected: said![1]! } }
  return {
    row: number,
    prompt,
    chosen: a!,
    rejected: b!,
    votes: votes ?? [1, 0],
    ...(gap ? { gap } : {}),
    ...(margin === undefined ? {} : { margin }),
    ...shown,
  }
}

function shown(tokenizer: Vocabulary['tokenizer'], ids: readonly number[], from: number): string {
  const pieces = tokenizer.pieces(ids.slice(from, from + 3))
  return pieces.length === 0 ? 'nothing' : pieces.map((piece) => `‹${piece}›`).join('')
}
