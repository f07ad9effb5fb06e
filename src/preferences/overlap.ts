import type { Tokenizer } from '../text/tokenizer.ts'
import type { Checked } from './check.ts'
import { type HashTable, hashIds, hashTable } from './hashes.ts'
import { type NearStore, shingled } from './near-store.ts'

/** What two parts of the data have in common: distinct prompts of the second that are in the first, and that are near duplicates of one there. */
export interface Overlap {
  readonly of: readonly [first: string, second: string]
  /** Distinct prompts of the second. */
  readonly prompts: number
  readonly same: number
  /** The same ones among them. */
  readonly near: number
}

/** What the prompts of a file that was checked, and those of further parts, have in common by twos, in their order. */
export function overlapsOf(
  { prompts, places }: Pick<Checked, 'prompts' | 'places'>,
  others: Readonly<Record<string, readonly (readonly number[])[]>>,
  tokenizer: Pick<Tokenizer, 'decode'>,
): Overlap[] {
  const train: Part = { name: 'train', range: [0, prompts.size], places }
  const parts = [train, ...Object.entries(others).map(([name, ids]) => partOf(name, ids, prompts, tokenizer))]
  return parts.flatMap((first, i) => parts.slice(i + 1).map((second) => overlap(first, second, prompts)))
}

/** Distinct prompts: where they are in the store, and by their hashes. */
interface Part {
  readonly name: string
  readonly range: readonly [from: number, to: number]
  readonly places: HashTable
}

function partOf(name: string, all: readonly (readonly number[])[], prompts: NearStore, tokenizer: Pick<Tokenizer, 'decode'>): Part {
  const places = hashTable()
  const from = prompts.size
  for (const ids of all) {
    const hash = hashIds(ids)
    if (places.get(hash) !== undefined) continue
    places.set(hash, prompts.size)
    prompts.add(shingled(tokenizer.decode(ids)))
  }
  return { name, range: [from, prompts.size], places }
}

function overlap(first: Part, second: Part, prompts: NearStore): Overlap {
  const groups = prompts.groups([first.range, second.range])
  const [from, to] = second.range
  let near = 0
  // The first of a group stands for it, and what is of the first part stands before.
  for (let i = from; i < to; i++) if (groups.of(i) < first.range[1]) near++
  let same = 0
  for (const hash of second.places.hashes()) if (first.places.get(hash) !== undefined) same++
  return { of: [first.name, second.name], prompts: to - from, same, near }
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
