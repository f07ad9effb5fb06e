import { z } from 'zod'
import type { Heard, Judge, JudgedPair, Votes } from '../goals/index.ts'
import { parseVotes } from '../goals/judges/judge.ts'
import { UserError } from '../graph/index.ts'
import { random } from '../random/index.ts'
import type { OnPolicy } from '../recipe/recipe.ts'

const votesSchema = z.tuple([z.number(), z.number()]).readonly()

/** One time that a judge was asked about a pair: which side stood first, and its votes for a and for b. */
export const askingSchema = z.object({ first: z.enum(['a', 'b']), votes: votesSchema })
export type Asking = Readonly<z.infer<typeof askingSchema>>

/** A judge's opinion of a pair. */
export const answerSchema = z.object({
  /** For a and for b: the mean of what was said at each asking. */
  votes: votesSchema,
  /** None for two texts that are the same, which are a tie, and none from a file of votes, which does not know the places. */
  askings: z.array(askingSchema).readonly().default([]),
})
export type Answer = Readonly<z.infer<typeof answerSchema>>

/** What two texts that say the same get, without asking. */
const tie: Answer = { votes: [1, 1], askings: [] }

/**
 * Asks a judge about pairs so that a liking for a place decides nothing. Each side stands first in half of the pairs (one more where
 * their number is odd), and the seed draws which half; with `order: 'both'` every pair is asked in both orders.
 *
 * throws  UserError when the judge throws, or when its votes are not one pair of numbers for each pair
 */
export async function askJudge(judge: Judge, pairs: readonly JudgedPair[], how: AskingOrder): Promise<Answer[]> {
  const places = placesOf(judge, pairs, how)
  if (places.length === 0) return pairs.map(() => tie)
  const votes = await votesOf(
    judge,
    places.map(({ pair, first }) => (first === 'a' ? pairs[pair]! : { a: pairs[pair]!.b, b: pairs[pair]!.a })),
    { ...how, ...(how.tells ? { tells: places.map(({ pair }) => how.tells![pair]!) } : {}) },
  )
  const askings = pairs.map((): Asking[] => [])
  places.forEach(({ pair, first }, i) => {
    const [one, other] = votes[i]!
    askings[pair]!.push({ first, votes: first === 'a' ? [one, other] : [other, one] })
  })
  const mean = (all: readonly Asking[], side: 0 | 1) => all.reduce((sum, asking) => sum + asking.votes[side], 0) / all.length
  // People were asked beforehand, in places that their store knows; a file of votes does not know them, and a reward sees no places.
  const known = judge.askings ? await judge.askings(pairs) : askings
  return askings.map((all, i) =>
    all.length === 0
      ? tie
      : { votes: [mean(all, 0), mean(all, 1)], askings: judge.kind === 'votes' || judge.kind === 'reward' ? [] : known[i]! },
  )
}

/** How a judge is asked, and the seed of the places and of votes that are drawn. */
export interface AskingOrder {
  readonly seed: number
  readonly order: OnPolicy['order']
  /** Begins to show how far a judge is that takes long. */
  readonly progress?: (total: number) => { advance(by?: number): void; done(): void }
  readonly signal?: AbortSignal
  /** How much votes on each pair would tell. */
  readonly tells?: readonly number[]
  /** Wait for people instead of stopping. */
  readonly wait?: boolean
}

/** Whether a judge takes so long that one wants to see how far it is. */
export function takesLong({ kind }: { readonly kind: string }): boolean {
  return ['command', 'people', 'model', 'endpoint'].includes(kind)
}

/** Whether a judge can be asked about any pair, as often as one likes, at no one's cost. */
export function answersFreely({ kind }: Judge): boolean {
  return ['simulated', 'goals', 'command'].includes(kind)
}

interface Place {
  readonly pair: number
  readonly first: 'a' | 'b'
}

function placesOf(judge: Judge, pairs: readonly JudgedPair[], { seed, order }: AskingOrder): Place[] {
  const asked = pairs.flatMap(({ a, b }, pair) => (a.text === b.text ? [] : [pair]))
  if (judge.kind === 'votes' || judge.kind === 'people') return asked.map((pair) => ({ pair, first: 'a' }))
  const places = random(seed, 'place')
  const drawn = places.shuffled(asked)
  // Of an odd number one side has one more, and the seed says which.
  const half = Math.floor(asked.length / 2 + (places.uniform() < 0.5 ? 0.5 : 0))
  const first = new Set(drawn.slice(0, half))
  const once = asked.map((pair): Place => ({ pair, first: first.has(pair) ? 'a' : 'b' }))
  return order === 'both' ? [...once, ...once.map(({ pair, first }): Place => ({ pair, first: first === 'a' ? 'b' : 'a' }))] : once
}

async function votesOf(judge: Judge, pairs: readonly JudgedPair[], how: AskingOrder): Promise<Votes[]> {
  const bar = takesLong(judge) ? how.progress?.(pairs.length) : undefined
  const votes = await said(judge, pairs, how.seed, {
    onVotes: (count) => bar?.advance(count),
    ...(how.signal ? { signal: how.signal } : {}),
    ...(how.tells ? { tells: how.tells } : {}),
    ...(how.wait ? { wait: true } : {}),
  })
  bar?.done()
  if (!Array.isArray(votes) || votes.length !== pairs.length)
    throw new UserError(
      `judge ${judge.name}: must vote on each of ${pairs.length} pairs, got ${Array.isArray(votes) ? votes.length : typeof votes}; mend the judge`,
      { inRecipe: inRecipe(judge) },
    )
  return votes.map((vote, i) => parseVotes(`judge ${judge.name}, pair ${i + 1}`, vote, { inRecipe: inRecipe(judge) }))
}

/** Whether a judge is a function of the recipe; a command or a file can be mended beside it. */
function inRecipe({ kind }: Judge): boolean {
  return kind === 'simulated' || kind === 'goals'
}

async function said(judge: Judge, pairs: readonly JudgedPair[], seed: number, heard: Heard): Promise<unknown> {
  try {
    return await judge.votes(pairs, seed, heard)
  } catch (cause) {
    heard.signal?.throwIfAborted()
    if (cause instanceof UserError) throw cause
    throw new UserError(`judge ${judge.name}: must vote, but it threw ${cause}; mend the judge`, { cause, inRecipe: inRecipe(judge) })
  }
}
