import type { Tokenizer } from '../text/tokenizer.ts'
import { nearDuplicates } from './near-duplicates.ts'

/** What two parts of the data have in common: distinct prompts of the second that are in the first, and that are near duplicates of one there. */
export interface Overlap {
  readonly of: readonly [first: string, second: string]
  /** Distinct prompts of the second. */
  readonly prompts: number
  readonly same: number
  /** The same ones among them. */
  readonly near: number
}

/** What every two parts have in common, in their order. */
export function overlapsOf(
  parts: Readonly<Record<string, readonly (readonly number[])[]>>,
  tokenizer: Pick<Tokenizer, 'decode'>,
): Overlap[] {
  const named = Object.entries(parts)
  return named.flatMap(([first, mine], i) => named.slice(i + 1).map(([second, other]) => overlap([first, second], mine, other, tokenizer)))
}

function overlap(
  of: Overlap['of'],
  first: readonly (readonly number[])[],
  second: readonly (readonly number[])[],
  tokenizer: Pick<Tokenizer, 'decode'>,
): Overlap {
  const [mine, other] = [first, second].map((prompts) => [...new Map(prompts.map((ids) => [ids.join(' '), ids])).entries()]) as [
    [string, readonly number[]][],
    [string, readonly number[]][],
  ]
  const keys = new Set(mine.map(([key]) => key))
  const groups = nearDuplicates([...mine, ...other].map(([, ids]) => tokenizer.decode(ids)))
  const near = groups.filter((group) => group.some((at) => at < mine.length)).flatMap((group) => group.filter((at) => at >= mine.length))
  return { of, prompts: other.length, same: other.filter(([key]) => keys.has(key)).length, near: near.length }
}

const names: Readonly<Record<string, string>> = { train: 'this file', heldOut: 'held-out', sealed: 'sealed' }

/** Overlaps as lines for a terminal. */
export function renderOverlaps(overlaps: readonly Overlap[]): string[] {
  return overlaps.map(({ of: [first, second], prompts, same, near }) => {
    const count = (n: number) => n.toLocaleString('en-US')
    const part = `${names[second] ?? second} and ${names[first] ?? first}:`
    return `overlap     ${part} ${count(same)} of ${count(prompts)} prompts are the same, ${count(near - same)} more nearly`
  })
}
