import { readJsonObjects } from '../../files/index.ts'
import { UserError } from '../../graph/errors.ts'
import { type Judge, keyOf, parseVotes, type Votes } from './judge.ts'

/**
 * A file of votes as the judge: JSON lines `{"prompt", "a", "b", "votes": [1, 0]}`, plain or gzipped, found again by their texts.
 * Several lines on one pair add up; a pair may be asked for with its sides swapped.
 *
 * throws  UserError when the file can not be read, when a line is not such an object, or when a pair has no votes
 */
export function votesFile(file: string): Judge {
  return {
    name: file,
    kind: 'votes',
    about: `votes from the file ${file}`,
    async prepare() {
      await readVotes(file)
    },
    async votes(pairs) {
      const known = await readVotes(file)
      const found = pairs.map(({ a, b }) => known(a.prompt, a.text, b.text))
      const missing = found.filter((votes) => !votes).length
      if (missing > 0) {
        const { a } = pairs[found.findIndex((votes) => !votes)]!
        throw new UserError(
          `${file}: must hold votes for every pair, got none for ${missing} of ${pairs.length}, the first on the prompt ` +
            `${JSON.stringify(a.prompt.slice(0, 80))}; add them, or name a judge that can be asked`,
        )
      }
      return found as Votes[]
    },
  }
}

/** What a votes file says about a pair; undefined where it says nothing. */
export type KnownVotes = (prompt: string, a: string, b: string) => Votes | undefined

/**
 * Reads a votes file into a lookup that finds a pair whichever side comes first, or with `swapped: false` only in the order of its line.
 *
 * throws  as votesFile
 */
export async function readVotes(file: string, { swapped = true }: { swapped?: boolean } = {}): Promise<KnownVotes> {
  const tally = new Map<string, Votes>()
  for await (const { line, value } of readJsonObjects(file)) {
    const { prompt, a, b, votes } = votesRow(`${file}:${line}`, value)
    add(keyOf(prompt, a, b), votes)
    if (swapped && a !== b) add(keyOf(prompt, b, a), [votes[1], votes[0]])
  }
  return (prompt, a, b) => tally.get(keyOf(prompt, a, b))

  function add(key: string, [forA, forB]: Votes) {
    const [a, b] = tally.get(key) ?? [0, 0]
    tally.set(key, [a + forA, b + forB])
  }
}

function votesRow(where: string, row: Readonly<Record<string, unknown>>) {
  for (const field of ['prompt', 'a', 'b'] as const)
    if (typeof row[field] !== 'string')
      throw new UserError(`${where}: ${field} must be a text, got ${JSON.stringify(row[field])}; mend the line`)
  return { ...(row as { prompt: string; a: string; b: string }), votes: parseVotes(where, row.votes) }
}
