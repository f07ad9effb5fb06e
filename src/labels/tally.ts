import type { Label } from './store.ts'

/** Votes on a pair: each label one, a tie or no preference half for each side, a skip none. */
export interface Tally {
  readonly a: number
  readonly b: number
  /** Labels that are no skip. */
  readonly judged: number
}

/** The votes on every pair that has a label, by the pair's number. */
export function tally(labels: readonly Label[]): Map<number, Tally> {
  const all = new Map<number, Tally>()
  for (const { pair, choice } of labels) {
    const { a, b, judged } = all.get(pair) ?? { a: 0, b: 0, judged: 0 }
    const forA = choice === 'a' ? 1 : choice === 'tie' || choice === 'none' ? 0.5 : 0
    const said = choice === 'skip' ? 0 : 1
    all.set(pair, { a: a + forA, b: b + said - forA, judged: judged + said })
  }
  return all
}
