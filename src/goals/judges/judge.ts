import { UserError } from '../../graph/errors.ts'
import type { Choice } from '../../labels/index.ts'
import type { Sample } from '../goal.ts'

/** Two completions of one prompt. */
export interface JudgedPair {
  readonly a: Sample
  readonly b: Sample
}

export type Votes = readonly [forA: number, forB: number]

/** What a judge that takes long may heed: whom it tells of each vote, and when to stop. */
export interface Heard {
  /** So many pairs have their votes, found or cast. */
  readonly onVotes?: (count: number) => void
  readonly signal?: AbortSignal
  /** How much votes on each pair would tell, in nats, where that is known: people are asked about the most first. */
  readonly tells?: readonly number[]
  /** Wait for people instead of stopping. */
  readonly wait?: boolean
}

/** One answer of one judge on a pair, as it was given; `first` is the side that stood first, where that is known. */
export interface Spoken {
  readonly who: string
  readonly prompt: string
  readonly a: string
  readonly b: string
  readonly choice: Choice
  readonly first?: 'a' | 'b'
}

/** What a judge's answers cost. */
export interface Spent {
  readonly requests: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** In the currency of the price, where one was given. */
  readonly money?: number
}

/** The kinds of judges, as a run's manifest names them. */
export const judgeKinds = ['simulated', 'goals', 'votes', 'command', 'people', 'model', 'endpoint', 'reward'] as const
export type JudgeKind = (typeof judgeKinds)[number]

/** Whoever casts votes between two completions of one prompt. */
export interface Judge {
  readonly name: string
  readonly kind: JudgeKind
  readonly about: string
  /** One entry per pair, in the order of the pairs. A judge that draws its votes draws them from the seed alone. */
  votes(pairs: readonly JudgedPair[], seed: number, heard?: Heard): Promise<Votes[]>
  /**
   * Makes sure that it can vote, before anything is asked of it.
   *
   * throws  UserError for a file that cannot be read or written
   */
  prepare?(): Promise<void>
  /** People only: which side stood first when each of the pairs was labelled, and what was said of it. */
  askings?(pairs: readonly JudgedPair[]): Promise<readonly (readonly { readonly first: 'a' | 'b'; readonly votes: Votes }[])[]>
  /** Everything that it has said so far, where it keeps that, for its agreement and its liking for a place. */
  spoken?(): Promise<readonly Spoken[]>
  /** What its answers have cost so far. */
  spent?(): Promise<Spent>
  /** Ends what it holds open, such as a model. */
  close?(): Promise<void>
  /** Simulated voters only: the hidden utility in log-odds, for the report to say whether it rose. */
  utility?(sample: Sample): number
  /** The words the judge looks for, if it has a lexicon. */
  readonly words?: ReadonlySet<string>
}

/**
 * Reads one pair's votes as they came from outside.
 *
 * throws  UserError unless they are two finite numbers ≥ 0 that are not both 0
 */
export function parseVotes(where: string, votes: unknown, from: { inRecipe?: boolean } = {}): Votes {
  const fine = Array.isArray(votes) && votes.length === 2 && votes.every((v) => Number.isFinite(v) && v >= 0) && votes[0] + votes[1] > 0
  if (fine) return [votes[0], votes[1]]
  throw new UserError(
    `${where}: votes must be two numbers ≥ 0, not both 0, got ${JSON.stringify(votes)}; write for example "votes": [1, 0]`,
    from,
  )
}

/** What a pair is to a judge that remembers: its texts, whatever run or batch it comes from. */
export function keyOf(prompt: string, a: string, b: string): string {
  return JSON.stringify([prompt, a, b])
}

/** The same for a pair whichever side comes first. */
export function pairKey({ a, b }: JudgedPair): string {
  return a.text < b.text ? keyOf(a.prompt, a.text, b.text) : keyOf(a.prompt, b.text, a.text)
}
