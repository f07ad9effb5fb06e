import { UserError } from '../graph/errors.ts'
import { nearDuplicates } from '../preferences/index.ts'
import { random } from '../random/index.ts'

/** Texts in two parts that share no near duplicates. */
export interface TextParts {
  /** Places of the texts to fit on. */
  readonly train: readonly number[]
  /** Groups of near duplicates to measure on; a group counts once. */
  readonly heldOut: readonly (readonly number[])[]
}

/**
 * Deals labelled texts into a part to fit on and a part that is held out. Near duplicates lie in one part. The held-out part has as many texts of
 * each class, as far as its groups allow, so that what knows nothing is right once in so many classes.
 *
 * units   share of the rarest class that is held out
 * throws  UserError when a class is missing in a part: it then has too few texts that differ
 */
export function dealTexts(
  texts: readonly string[],
  labels: readonly number[],
  names: readonly string[],
  { share = 0.3, seed = 0 }: { readonly share?: number; readonly seed?: number } = {},
): TextParts {
  const counts = countsOf(labels, names.length)
  const wanted = Math.max(1, Math.round(share * Math.min(...counts)))
  const have = names.map(() => 0)
  const [train, heldOut]: [number[], number[][]] = [[], []]
  for (const group of random(seed, 'probe/parts').shuffled(nearDuplicates(texts))) {
    const more = countsOf(
      group.map((i) => labels[i]!),
      names.length,
    )
    if (more.every((count, c) => have[c]! + count <= wanted)) {
      heldOut.push(group)
      more.forEach((count, c) => void (have[c]! += count))
    } else train.push(...group)
  }
  const left = countsOf(
    train.map((i) => labels[i]!),
    names.length,
  )
  const short = names.findIndex((_, c) => have[c] === 0 || left[c] === 0)
  if (short >= 0)
    throw new UserError(
      `label ${names[short]}: must have texts to fit on and others to hold out, got ${counts[short]} texts of which ${have[short]} can be held out; near duplicates stay together, so give more that differ`,
    )
  return { train: train.sort((a, b) => a - b), heldOut }
}

function countsOf(labels: readonly number[], classes: number): number[] {
  return Array.from({ length: classes }, (_, c) => labels.filter((label) => label === c).length)
}
