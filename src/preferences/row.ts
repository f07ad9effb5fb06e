import type { Message } from '../text/index.ts'

/** A turn of a talk in a file; one of the assistant with weight 0 is read and not learned. */
export interface TalkMessage extends Message {
  readonly weight?: 0 | 1 | null
}

interface Voted {
  readonly votes?: unknown
  readonly margin?: unknown
  readonly gap?: unknown
}

/** Tools that a talk may call, as its file writes them; the chat template is given them. */
interface Tooled {
  readonly tools?: readonly unknown[]
}

/** Two completions of one prompt, as text. */
export interface PairText extends Voted {
  readonly form: 'pairText'
  readonly prompt: string
  readonly chosen: string
  readonly rejected: string
}

/** The same in tokens, which are taken verbatim. */
export interface PairIds extends Voted {
  readonly form: 'pairIds'
  readonly prompt_ids: readonly number[]
  readonly chosen_ids: readonly number[]
  readonly rejected_ids: readonly number[]
}

/** The same as a talk with two answers. `plain` is what it is to a model without a chat template, where it is something. */
export interface PairTalk extends Voted, Tooled {
  readonly form: 'pairTalk'
  readonly prompt: readonly TalkMessage[]
  readonly chosen: readonly TalkMessage[]
  readonly rejected: readonly TalkMessage[]
  readonly plain?: PairText
}

/** Votes for and against a completion, where its label is not all that is known. */
interface Judged {
  readonly votes?: unknown
}

/** One completion of a prompt as text, and whether it is wanted. */
export interface LabelledText extends Judged {
  readonly form: 'labelledText'
  readonly prompt: string
  readonly completion: string
  readonly label: boolean
}

/** The same in tokens, which are taken verbatim. */
export interface LabelledIds extends Judged {
  readonly form: 'labelledIds'
  readonly prompt_ids: readonly number[]
  readonly completion_ids: readonly number[]
  readonly label: boolean
}

/** The same as a talk with an answer. */
export interface LabelledTalk extends Judged, Tooled {
  readonly form: 'labelledTalk'
  readonly prompt: readonly TalkMessage[]
  readonly completion: readonly TalkMessage[]
  readonly label: boolean
}

/** A text, a completion after its prompt, or a talk: what is learned token by token. */
export type TextRow =
  | { readonly form: 'text'; readonly text: string }
  | { readonly form: 'completion'; readonly prompt: string; readonly completion: string }
  | ({ readonly form: 'talk'; readonly messages: readonly TalkMessage[] } & Tooled)

export type PreferenceRow = PairText | PairIds | PairTalk | LabelledText | LabelledIds | LabelledTalk

/** What a row of a file is, whatever its dialect. */
export type Row = PreferenceRow | TextRow

/** Pairs, labelled completions, or texts. */
export type RowKind = 'pairs' | 'labelled' | 'texts'

/** Which of the three a row is. */
export function kindOfRow({ form }: Row): RowKind {
  if (form.startsWith('pair')) return 'pairs'
  return form.startsWith('labelled') ? 'labelled' : 'texts'
}
