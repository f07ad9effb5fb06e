import { openSpill } from '../files/index.ts'
import { hashOfText, hashTable } from './hashes.ts'
import { type DisjointGroups, disjointGroups, formOf, isSimilar, shingleWords, similar, wordsOf } from './near-duplicates.ts'

/** A text as near duplicates are looked for: a hash of its form, and of each of its shingles, in ascending order. */
export interface Shingled {
  readonly form: number
  readonly shingles: Uint32Array
}

/** Texts among which near duplicates are found, however many they are. */
export interface NearStore {
  readonly size: number
  add(text: Shingled): void
  /** The texts from one place to another, of several such parts, in groups; each text is known by its place. */
  groups(parts: readonly (readonly [from: number, to: number])[]): DisjointGroups
  close(): void
}

/** So many shingles are compared at once: eight bytes each. */
const atOnce = 2 ** 21
/** Of one shingle that very many texts share, so many groups are compared with a text, and so many texts of each. */
const [mostGroups, mostOfGroup] = [64, 4]

/** A text in shingles of five words, as hashes. */
export function shingled(text: string): Shingled {
  const words = wordsOf(text)
  const count = Math.max(0, words.length - shingleWords + 1)
  const ofWords = Uint32Array.from(words, (word) => hashOfText(word))
  const shingles = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    let hash = 0
    for (let k = 0; k < shingleWords; k++) hash = Math.imul(hash ^ ofWords[i + k]!, 0x9e3779b1) ^ (hash >>> 15)
    shingles[i] = hash ^ (hash >>> 16)
  }
  shingles.sort()
  let kept = 0
  for (let i = 0; i < count; i++) if (i === 0 || shingles[i] !== shingles[i - 1]) shingles[kept++] = shingles[i]!
  return { form: hashOfText(formOf(words, text)), shingles: shingles.slice(0, kept) }
}

/**
 * Near duplicates as nearDuplicates finds them, in little memory: shingles lie in a file, by their hashes, and those that may match are
 * compared some at a time. A set shares one of the first fifth of its shingles with every set that is similar, in any order common to all: in that of how
 * many texts have a shingle, about.
 *
 * limits  where more than 64 groups share a shingle that all texts among them have no rarer one than, some may be missed
 */
export function openNearStore(): NearStore {
  const sets = openSpill()
  const starts: Growing = growing()
  const forms: Growing = growing()
  // Of how many texts each shingle is, about: several share a place.
  let common = new Uint32Array(2 ** 10)
  const setAt = (i: number) => {
    const from = starts.at(i)
    const bytes = sets.read(from, (i + 1 < starts.size ? starts.at(i + 1) : sets.length) - from)
    return new Uint32Array(bytes.buffer, 0, bytes.length / 4)
  }
  const slot = (shingle: number) => (shingle ^ (shingle >>> 12)) & (common.length - 1)
  const first = growing()

  /** The rarest shingles of a set, as many as decide whether it is similar to another. */
  function prefixOf(set: Uint32Array): Uint32Array {
    const keys = Float64Array.from(set, (shingle) => Math.min(common[slot(shingle)]!, 2 ** 21 - 1) * 2 ** 32 + shingle).sort()
    return Uint32Array.from(keys.subarray(0, set.length - Math.ceil(similar * set.length) + 1), (key) => key % 2 ** 32)
  }

  return {
    get size() {
      return starts.size
    },
    add({ form, shingles }) {
      starts.push(sets.append(new Uint8Array(shingles.buffer, shingles.byteOffset, shingles.byteLength)))
      forms.push(form)
      while (sets.length > 16 * common.length && common.length < 2 ** 22) common = twice(common)
      for (const shingle of shingles) common[slot(shingle)]!++
    },
    groups(parts) {
      const groups = disjointGroups(starts.size)
      const byForm = hashTable()
      const prefixes = openSpill()
      let entries = 0
      for (const i of placesOf(parts)) {
        const same = byForm.get(forms.at(i))
        if (same !== undefined) groups.join(same, i)
        else byForm.set(forms.at(i), i)
        const prefix = prefixOf(setAt(i))
        first.set(i, prefixes.append(new Uint8Array(prefix.buffer)))
        entries += prefix.length
      }
      const passes = Math.ceil(entries / atOnce)
      for (let pass = 0; pass < passes; pass++) {
        const keys = growing()
        let before = -1
        const take = (i: number, to: number) => {
          const from = first.at(i)
          const bytes = prefixes.read(from, to - from)
          for (const shingle of new Uint32Array(bytes.buffer, 0, bytes.length / 4))
            if (shingle % passes === pass) keys.push((shingle >>> 6) * 2 ** 27 + i)
        }
        for (const i of placesOf(parts)) {
          if (before >= 0) take(before, first.at(i))
          before = i
        }
        if (before >= 0) take(before, prefixes.length)
        joinRuns(keys.all().sort(), groups, setAt)
      }
      prefixes.close()
      return groups
    },
    close: () => sets.close(),
  }
}

/** Joins what is similar among texts that share a shingle: keys are shingles with the place of a text, in order. */
function joinRuns(keys: Float64Array, groups: DisjointGroups, setAt: (i: number) => Uint32Array): void {
  for (let from = 0; from < keys.length; ) {
    const shingle = Math.floor(keys[from]! / 2 ** 27)
    let to = from + 1
    while (to < keys.length && Math.floor(keys[to]! / 2 ** 27) === shingle) to++
    if (to > from + 1) joinRun(keys.subarray(from, to), groups, setAt)
    from = to
  }
}

function joinRun(run: Float64Array, groups: DisjointGroups, setAt: (i: number) => Uint32Array): void {
  const met: { readonly any: number; readonly sets: Uint32Array[] }[] = []
  for (const key of run) {
    const i = key % 2 ** 27
    const group = groups.of(i)
    let own = met.find(({ any }) => groups.of(any) === group)
    if (own && own.sets.length >= mostOfGroup && met.length === 1) continue
    const mine = setAt(i)
    for (const { any, sets } of met) {
      if (groups.of(any) === groups.of(i)) continue
      if (sets.some((set) => isSimilar(set, mine))) groups.join(any, i)
    }
    own = met.find(({ any }) => groups.of(any) === groups.of(i))
    if (!own && met.length < mostGroups) met.push((own = { any: i, sets: [] }))
    if (own && own.sets.length < mostOfGroup) own.sets.push(mine)
  }
}

function* placesOf(parts: readonly (readonly [number, number])[]): Generator<number> {
  for (const [from, to] of parts) for (let i = from; i < to; i++) yield i
}

/** A table of counts twice as long, in which each place has two. */
function twice(counts: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(2 * counts.length)
  more.set(counts)
  more.set(counts, counts.length)
  return more
}

interface Growing {
  readonly size: number
  at(i: number): number
  push(value: number): void
  set(i: number, value: number): void
  /** Those that are there. */
  all(): Float64Array
}

/** Numbers in a typed array that grows. */
function growing(): Growing {
  let values = new Float64Array(256)
  let size = 0
  const set = (i: number, value: number) => {
    if (i >= values.length) {
      const more = new Float64Array(Math.max(2 * values.length, i + 1))
      more.set(values)
      values = more
    }
    values[i] = value
    size = Math.max(size, i + 1)
  }
  return {
    get size() {
      return size
    },
    at: (i) => values[i]!,
    push: (value) => set(size, value),
    set,
    all: () => values.subarray(0, size),
  }
}
