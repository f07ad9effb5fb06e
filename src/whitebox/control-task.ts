import { random } from '../random/index.ts'

/**
 * The type of each text, for a control task: its token at the first place from the end, the read one first, where texts have at least `fewest`
 * tokens and none stands in more than half of them; the text itself where there is no such place.
 *
 * source  Hewitt and Liang 2019, arXiv:1909.03368, whose types are words
 */
export function typesOf(ids: readonly (readonly number[])[], fewest: number): string[] {
  const longest = Math.max(...ids.map(({ length }) => length))
  for (let back = 1; back <= Math.min(longest, 8); back++) {
    const types = ids.map((text) => String(text.at(-back) ?? 'none'))
    const counts = new Map<string, number>()
    for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1)
    if (counts.size >= fewest && 2 * Math.max(...counts.values()) <= types.length) return types
  }
  return ids.map((text) => text.join(' '))
}

/**
 * A control task: every type of text has a label drawn at random, the same wherever it stands. A probe that does well on it has remembered
 * types, so only what it does better on the real task speaks of the representation.
 *
 * shape   types of texts → labels, each class with as many types as any other, or one less
 * source  Hewitt and Liang 2019, arXiv:1909.03368
 */
export function controlLabels(types: readonly string[], classes: number, seed: number): number[] {
  const distinct = random(seed, 'probe/control').shuffled([...new Set(types)])
  const labels = new Map(distinct.map((type, i) => [type, i % classes]))
  return types.map((type) => labels.get(type)!)
}
