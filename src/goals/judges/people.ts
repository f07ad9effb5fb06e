import { setTimeout } from 'node:timers/promises'
import { UserError } from '../../graph/errors.ts'
import { type Choice, type Label, openStore, type Said, type Store, type StoredPair, tally } from '../../labels/index.ts'
import type { Heard, Judge, JudgedPair, Spoken, Votes } from './judge.ts'

/** Pairs that people have yet to label before a run can go on. */
export class LabelsMissing extends UserError {
  readonly store: string
  readonly missing: number
  readonly asked: number

  constructor(store: string, missing: number, asked: number) {
    super(
      `${store}: people must label every pair that the run compares, got ${asked - missing} of ${asked}; label the other ${missing} with: innate label ${store}`,
    )
    this.store = store
    this.missing = missing
    this.asked = asked
  }
}

/** So little that a skipped pair is left to the prior and to the votes on other pairs. */
const SKIPPED = 1e-6

/**
 * People as the judge: their labels in a store, one SQLite file that `innate label` asks from. Pairs that nobody has labelled are written into it,
 * those that would tell most first; then it stops with how many are missing, or with `wait` goes on once they are there.
 *
 * Every rater has one vote on a pair; a tie or no preference is half a vote for each side. A pair that was only skipped has no votes to speak of.
 *
 * throws  LabelsMissing; UserError where the store cannot be used
 */
export function people(file: string): Judge {
  const inStore = async <T>(work: (store: Store) => Promise<T>): Promise<T> => {
    const store = openStore(file)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }
  return {
    name: file,
    kind: 'people',
    about: `people, whose labels are in ${file}`,
    prepare: async () => void (await inStore((store) => store.counts())),
    votes: (pairs, _, heard = {}) => inStore((store) => votesOf(store, pairs, heard)),
    askings: (pairs) =>
      inStore(async (store) => {
        const labels = byPair(await store.labels())
        const found = await store.find(pairs.map(textsOf))
        return pairs.map((pair, i) =>
          (labels.get(found[i]?.id ?? 0) ?? []).flatMap(({ first, choice }) => {
            if (!first || choice === 'skip') return []
            const turned = isTurned(pair, found[i]!)
            const votes = voteOf(choice)
            return [{ first: turned ? other(first) : first, votes: turned ? ([votes[1], votes[0]] as const) : votes }]
          }),
        )
      }),
    spoken: () => inStore(spokenIn),
  }
}

async function votesOf(store: Store, pairs: readonly JudgedPair[], { onVotes, signal, tells, wait }: Heard): Promise<Votes[]> {
  await store.add(pairs.map((pair, i) => ({ ...textsOf(pair), source: 'align', priority: tells?.[i] ?? 0 })))
  const found = (await store.find(pairs.map(textsOf))) as StoredPair[]
  for (let before = 0; ; ) {
    const labels = await store.labels()
    const seen = new Set(labels.map(({ pair }) => pair))
    const done = found.filter(({ id }) => seen.has(id)).length
    onVotes?.(done - before)
    before = done
    if (done === pairs.length) {
      const votes = tally(labels)
      return pairs.map((pair, i) => {
        const { a, b, judged } = votes.get(found[i]!.id)!
        if (judged === 0) return [SKIPPED, SKIPPED]
        return isTurned(pair, found[i]!) ? [b, a] : [a, b]
      })
    }
    if (!wait) throw new LabelsMissing(store.file, pairs.length - done, pairs.length)
    await setTimeout(1000, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted())
  }
}

/** Everything that people said in a store, as any judge's words. */
export async function spokenIn(store: Store): Promise<Spoken[]> {
  const pairs = new Map((await store.pairs()).map((pair) => [pair.id, pair]))
  return (await store.labels()).map(({ pair, rater, choice, first }) => {
    const { prompt, a, b } = pairs.get(pair)!
    const [said, one, two] = [plain(prompt), plain(a), plain(b)]
    return { who: rater, prompt: said, a: one, b: two, choice, ...(first ? { first } : {}) }
  })
}

/** What was said as one text. */
function plain(said: Said): string {
  return typeof said === 'string' ? said : said.map(({ content }) => content).join('\n')
}

function textsOf({ a, b }: JudgedPair): { prompt: string; a: string; b: string } {
  return { prompt: a.prompt, a: a.text, b: b.text }
}

/** Whether a pair is stored with its sides the other way round. */
function isTurned({ a }: JudgedPair, stored: StoredPair): boolean {
  return stored.a !== a.text
}

function byPair(labels: readonly Label[]): Map<number, Label[]> {
  const all = new Map<number, Label[]>()
  for (const label of labels) all.set(label.pair, [...(all.get(label.pair) ?? []), label])
  return all
}

/** One label as votes. */
export function voteOf(choice: Choice): Votes {
  return choice === 'a' ? [1, 0] : choice === 'b' ? [0, 1] : choice === 'skip' ? [SKIPPED, SKIPPED] : [0.5, 0.5]
}

function other(side: 'a' | 'b'): 'a' | 'b' {
  return side === 'a' ? 'b' : 'a'
}
