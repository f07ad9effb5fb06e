import { openSpill } from '../files/index.ts'
import { type Digest, digestsIn } from './digest.ts'
import { digestFile, type VocabularyInFolder } from './digest-file.ts'
import { nothingUsable } from './load.ts'
import type { Labelled, Pair } from './pair.ts'
import { countReasons, type Quarantined, type Reason } from './quarantine.ts'
import type { Columns } from './read.ts'
import type { Tokenising } from './tokenise.ts'

/** What is known of a usable row without its tokens. */
export type RowFacts = Pick<Digest, 'prompt' | 'a' | 'b' | 'votesA' | 'votesB' | 'gap' | 'place' | 'promptHash'>

/** A file of preferences whose tokens lie beside memory, so that a row is had when it is asked for. */
export interface Stored {
  readonly kind: 'pairs' | 'labelled'
  /** Rows read, usable or not. */
  readonly rows: number
  /** Usable rows. */
  readonly size: number
  readonly dialects: Readonly<Record<string, number>>
  readonly quarantined: readonly Quarantined[]
  readonly counts: Partial<Record<Reason, number>>
  readonly truncated: number
  readonly gaps: number
  facts(i: number): RowFacts
  /** A usable row with its tokens; what it was as text is not kept. */
  row(i: number): Pair | Labelled
  close(): void
}

export interface Storing extends Tokenising {
  readonly columns?: Columns | undefined
  /** The seed by which prompts are dealt into parts. */
  readonly splitSeed: number
  /** Called with how much of the file, unpacked, was read since. units bytes, about */
  readonly onRead?: (size: number) => void
}

const kept = ['prompt', 'a', 'b', 'votesA', 'votesB', 'gap', 'place', 'promptHash', 'row'] as const

/**
 * Reads a file of preferences once and keeps its usable rows as tokens in a file of their own, with some numbers of each in memory.
 *
 * throws  UserError when the file can not be read or no row in it is usable
 * units   about 80 bytes of memory a row
 */
export async function storePreferences(
  file: string,
  kind: 'pairs' | 'labelled',
  vocabulary: VocabularyInFolder,
  { onRead, ...options }: Storing,
): Promise<Stored> {
  const ids = openSpill()
  let numbers = new Float64Array(kept.length * 1024)
  let starts = new Float64Array(1024)
  const dialects: Record<string, number> = {}
  const quarantined: Quarantined[] = []
  let [rows, size, truncated, gaps] = [0, 0, 0, 0]
  for await (const part of digestFile(file, vocabulary, { ...options, wanted: kind, ids: true })) {
    for (const [name, count] of Object.entries(part.dialects)) dialects[name] = (dialects[name] ?? 0) + count
    quarantined.push(...part.aside)
    let at = ids.append(new Uint8Array(part.ids.buffer, part.ids.byteOffset, part.ids.byteLength))
    for (const digest of digestsIn(part)) {
      if (size === starts.length) [numbers, starts] = [twice(numbers), twice(starts)]
      for (const [k, name] of kept.entries()) numbers[size * kept.length + k] = digest[name] + (name === 'row' ? rows : 0)
      starts[size++] = at
      at += 4 * (digest.prompt + digest.a + Math.max(0, digest.b))
      truncated += digest.cutTokens > 0 ? 1 : 0
      gaps += digest.gap
    }
    rows += part.read
    onRead?.(part.size)
  }
  const counts = countReasons(quarantined)
  if (size === 0) {
    const firsts = Object.entries(counts).map(([reason, n]) => ({ ...quarantined.find((row) => row.reason === reason)!, rows: n }))
    throw nothingUsable(file, kind, rows, firsts)
  }
  const facts = (i: number) =>
    Object.fromEntries(kept.map((name, k) => [name, numbers[i * kept.length + k]!])) as unknown as RowFacts & Pick<Digest, 'row'>
  return {
    ...{ kind, rows, size, dialects, quarantined, counts, truncated, gaps, facts },
    row(i) {
      const { prompt: length, a, b, votesA, votesB, gap, row } = facts(i)
      const bytes = ids.read(starts[i]!, 4 * (length + a + Math.max(0, b)))
      const all = Array.from(new Int32Array(bytes.buffer))
      const [prompt, first, second] = [all.slice(0, length), all.slice(length, length + a), all.slice(length + a)]
      if (kind === 'labelled') return { row, prompt, completion: first, label: votesA > votesB }
      return { row, prompt, chosen: first, rejected: second, votes: [votesA, votesB], ...(gap ? { gap: true as const } : {}) }
    },
    close: () => ids.close(),
  }
}

function twice(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * values.length)
  more.set(values)
  return more
}
