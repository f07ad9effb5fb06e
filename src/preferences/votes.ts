import type { Pair } from './pair.ts'

/** The votes and the margin of a row, where it has some; a gap has none, and says so, so that it cannot be taken for a tie. */
export function readVotes({
  votes,
  gap,
  margin,
}: {
  readonly votes?: unknown
  readonly gap?: unknown
  readonly margin?: unknown
}): { votes?: Pair['votes']; gap?: true; margin?: number } | { detail: string } {
  if (gap !== undefined && typeof gap !== 'boolean') return { detail: `gap must be true or left out, got ${JSON.stringify(gap)}` }
  const numbers = Array.isArray(votes) && votes.length === 2 && votes.every((x) => typeof x === 'number' && Number.isFinite(x) && x >= 0)
  const [a, b] = numbers ? (votes as [number, number]) : []
  if (margin !== undefined && !(typeof margin === 'number' && Number.isFinite(margin)))
    return { detail: `margin must be a finite number, got ${JSON.stringify(margin)}; leave it out where there is none` }
  const ahead = margin === undefined ? {} : { margin }
  if (gap)
    return votes === undefined || a! + b! === 0
      ? { votes: [0, 0], gap: true }
      : { detail: `votes of a gap must be [0,0], got ${JSON.stringify(votes)}; a tie has votes and no gap` }
  if (votes === undefined) return ahead
  if (!(a! + b! > 0))
    return {
      detail: `votes must be two finite numbers ≥ 0, not both 0, got ${JSON.stringify(votes)}${a! + b! === 0 ? '; where nobody has a preference, add "gap": true' : ''}`,
    }
  return { votes: [a!, b!], ...ahead }
}

/** The votes for and against a labelled completion, where its row has some; most of them must be for its label. */
export function readLabelVotes({ votes, label }: { readonly votes?: unknown; readonly label: boolean }): ReturnType<typeof readVotes> {
  const read = readVotes({ votes })
  if ('detail' in read || !read.votes) return read
  const [wanted, unwanted] = read.votes
  if (wanted === unwanted || wanted > unwanted === label) return read
  return {
    detail: `votes must be for the label, ${label}, got ${JSON.stringify(votes)}, first those that want the completion; mend one of them`,
  }
}
