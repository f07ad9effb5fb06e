import { UserError } from '../graph/errors.ts'
import { type PromptRow, talkAsText } from '../preferences/index.ts'

/** Scores completions; what a policy is trained on in place of votes. */
export interface Reward {
  readonly name: string
  /** One score a row, higher is better; `sd` is the reward's own doubt where it knows it. */
  score(rows: readonly RewardRow[], signal?: AbortSignal, onScored?: OnScored): Promise<readonly Scored[]>
  close(): Promise<void>
}

/** Hears each score as soon as it is known, so that none is lost where a reward fails half-way; a reward that is quick need not tell. */
export type OnScored = (row: number, scored: Scored) => Promise<void>

/** A completion of a prompt, in text; and in tokens, where the reader knows those of the model that wrote it. */
export interface RewardRow {
  readonly prompt: PromptRow
  readonly completion: string
  readonly promptIds?: readonly number[]
  readonly completionIds?: readonly number[]
}

/** What a reward gives to a completion. `sd` is one standard deviation, in the units of `value`. */
export interface Scored {
  readonly value: number
  readonly sd?: number
}

/** Beyond this a reward is as good as without a bound: what a policy gradient adds up in f32 would be lost in it. */
const most = 1e6

/**
 * A score as it came from outside.
 *
 * throws  UserError for what is not a finite number, or beyond a million
 */
export function checkScored(where: string, { value, sd }: { readonly value: unknown; readonly sd?: unknown }): Scored {
  const wrong = (what: string, got: unknown, remedy: string) =>
    new UserError(`${where}: ${what}, got ${typeof got === 'number' ? got : (JSON.stringify(got) ?? 'nothing').slice(0, 60)}; ${remedy}`)
  if (typeof value !== 'number' || Number.isNaN(value))
    throw wrong('a reward must be a number', value, 'write a finite number for every completion, 0 where there is nothing to say')
  if (!(Math.abs(value) <= most)) throw wrong(`a reward must be bounded, between −${most} and ${most}`, value, 'clip it, or scale it down')
  if (sd === undefined) return { value }
  if (typeof sd !== 'number' || !(sd >= 0 && Number.isFinite(sd)))
    throw wrong('sd must be a finite number from 0 on', sd, 'leave it out where it is not known')
  return { value, sd }
}

/** A reward that scored another number of completions than it was asked about, so that nobody knows which of its scores is whose. */
export class MiscountedRewards extends UserError {
  constructor(name: string, asked: number, got: string) {
    super(
      `reward ${name}: must give one score for each of ${asked} completions, got ${got}; write one line for each, and nothing else on stdout`,
    )
  }
}

/** What a prompt says, as text. */
export function promptText(prompt: PromptRow, tokenizer?: { decode(ids: readonly number[]): string }): string {
  if ('text' in prompt) return prompt.text
  if ('messages' in prompt) return talkAsText(prompt.messages)
  return tokenizer?.decode(prompt.ids) ?? prompt.ids.join(' ')
}
