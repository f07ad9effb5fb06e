/** Two texts are near duplicates when their shingles have at least this Jaccard similarity. */
export const similar = 0.8
/** Words of a shingle; a text with fewer words has none. */
export const shingleWords = 5

/**
 * Puts texts into groups of near duplicates, so that parts of a data set need not overlap. Two texts are near duplicates when they are equal
 * after NFKC, in lower case, and with letters and digits alone, or when the sets of their shingles of five words have a Jaccard
 * similarity of 0.8 or more. A group holds whatever is linked by a chain of near duplicates.
 *
 * shape   texts → groups of places in texts, each in order, groups in the order of their first text
 * limits  a text without letters or digits equals only itself; time grows with the pairs that share a rare shingle, not with all pairs
 * source  Broder 1997 (shingles); Chaudhuri, Ganti and Kaushik 2006 (prefix filter)
 */
export function nearDuplicates(texts: readonly string[]): number[][] {
  const words = texts.map(wordsOf)
  const groups = disjointGroups(texts.length)
  const byForm = new Map<string, number>()
  words.forEach((mine, i) => {
    const form = formOf(mine, texts[i]!)
    const same = byForm.get(form)
    if (same !== undefined) groups.join(same, i)
    byForm.set(form, same ?? i)
  })
  // Equal forms may be cut into words in other places, so every cut has its shingles.
  const cuts = [...new Map(words.map((mine, i) => [mine.join(' '), i])).values()]
  joinSimilar(
    cuts.filter((i) => words[i]!.length >= shingleWords).map((i) => ({ text: i, shingles: shinglesOf(words[i]!) })),
    groups,
  )
  return groups.list()
}

interface Shingled {
  readonly text: number
  readonly shingles: readonly string[]
}

/**
 * Joins all texts whose shingles are similar enough. Sets of sizes x ≥ y with Jaccard similarity s or more share one of the first
 * y − ⌈s·y⌉ + 1 shingles of each, in any order common to all sets: so only texts that share one of their rarest shingles are compared.
 */
function joinSimilar(all: readonly Shingled[], groups: DisjointGroups): void {
  const counts = new Map<string, number>()
  for (const { shingles } of all) for (const shingle of shingles) counts.set(shingle, (counts.get(shingle) ?? 0) + 1)
  const rank = new Map([...counts].sort(([, a], [, b]) => a - b).map(([shingle], i) => [shingle, i]))
  const sets = all
    .map(({ text, shingles }) => ({ text, ranks: Int32Array.from(shingles, (shingle) => rank.get(shingle)!).sort() }))
    .sort((a, b) => a.ranks.length - b.ranks.length)
  // For each shingle the sets that begin with it, by the group they are in: once joined to a group, its other texts need no comparison.
  const beginning = new Map<number, Map<number, number[]>>()
  sets.forEach(({ text, ranks }, i) => {
    const prefix = ranks.subarray(0, ranks.length - Math.ceil(similar * ranks.length) + 1)
    for (const shingle of prefix) {
      const byGroup = regrouped(beginning.get(shingle) ?? new Map(), (j) => groups.of(sets[j]!.text))
      beginning.set(shingle, byGroup)
      for (const [group, members] of byGroup) {
        if (groups.of(text) === group) continue
        if (members.some((j) => isSimilar(sets[j]!.ranks, ranks))) groups.join(group, text)
      }
    }
    for (const shingle of prefix) {
      const byGroup = beginning.get(shingle)!
      const members = byGroup.get(groups.of(text))
      if (members) members.push(i)
      else byGroup.set(groups.of(text), [i])
    }
  })
}

/** The same members under the groups that they are in by now. */
function regrouped(before: Map<number, number[]>, groupOf: (member: number) => number): Map<number, number[]> {
  if ([...before].every(([group, members]) => groupOf(members[0]!) === group)) return before
  const now = new Map<number, number[]>()
  for (const members of before.values()) {
    const group = groupOf(members[0]!)
    now.set(group, [...(now.get(group) ?? []), ...members])
  }
  return now
}

/** Whether |a ∩ b| / |a ∪ b| of two sets of numbers in ascending order is enough; most that are not are told apart by their beginnings. */
export function isSimilar(a: Int32Array | Uint32Array, b: Int32Array | Uint32Array): boolean {
  const [less, more] = a.length < b.length ? [a, b] : [b, a]
  if (less.length < similar * more.length) return false
  const all = a.length + b.length
  let needed = Math.floor((similar * all) / (1 + similar))
  while (needed / (all - needed) < similar) needed++
  // So many numbers of either set may be missing in the other.
  const [mostOfA, mostOfB] = [a.length - needed, b.length - needed]
  let both = 0
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const difference = a[i]! - b[j]!
    if (difference === 0) both++
    if (difference <= 0) i++
    if (difference >= 0) j++
    if (i - both > mostOfA || j - both > mostOfB) return false
  }
  return both >= needed
}

/** A text after NFKC, in lower case, with letters and digits alone; itself where it has none. */
export function plainForm(text: string): string {
  return formOf(wordsOf(text), text)
}

/** What equal texts have in common: their words without what is between them. */
export function formOf(words: readonly string[], text: string): string {
  return words.join('') || text
}

/** Runs of letters, with the marks upon them, and digits. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/(?:\p{L}\p{M}*|\p{N})+/gu) ?? []
  )
}

function shinglesOf(words: readonly string[]): string[] {
  return [...new Set(Array.from({ length: words.length - shingleWords + 1 }, (_, i) => words.slice(i, i + shingleWords).join(' ')))]
}

/** Items in groups that can be joined. */
export interface DisjointGroups {
  /** The number of the group that an item is in. */
  of(item: number): number
  join(a: number, b: number): void
  list(): number[][]
}

/** So many items; each begins in a group of its own. */
export function disjointGroups(count: number): DisjointGroups {
  const parent = Int32Array.from({ length: count }, (_, i) => i)
  const of = (item: number) => {
    let top = item
    while (parent[top] !== top) {
      parent[top] = parent[parent[top]!]!
      top = parent[top]!
    }
    return top
  }
  return {
    of,
    join(a, b) {
      const [x, y] = [of(a), of(b)]
      parent[Math.max(x, y)] = Math.min(x, y)
    },
    list() {
      const groups = new Map<number, number[]>()
      for (let i = 0; i < count; i++) {
        const members = groups.get(of(i))
        if (members) members.push(i)
        else groups.set(of(i), [i])
      }
      return [...groups.values()]
    },
  }
}
