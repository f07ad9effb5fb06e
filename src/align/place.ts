import { firstShare } from '../accept/index.ts'
import type { Answer } from '../collect/ask-judge.ts'
import type { Votes } from '../goals/index.ts'
import type { PlaceShare } from '../runs/index.ts'

/** What a judge gives to whatever stands first, over prompts with their pairs; undefined where fewer than two prompts were asked about. */
export function placeOf(answers: readonly (readonly Answer[])[]): PlaceShare | undefined {
  const asked = answers
    .map((group) => group.flatMap(({ askings }) => askings).map(({ first, votes: [a, b] }): Votes => (first === 'a' ? [a, b] : [b, a])))
    .filter(({ length }) => length > 0)
  if (asked.length < 2) return undefined
  const { estimate, low, high, n } = firstShare(asked)
  return { first: { estimate, low, high, n }, alarm: low > 0.5 || high < 0.5 }
}
