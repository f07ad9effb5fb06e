import { type Digest, type Digests, digestsIn } from './digest.ts'
import { digestFile, type VocabularyInFolder } from './digest-file.ts'
import { type HashTable, hashOf, hashTable } from './hashes.ts'
import { type LengthCounts, type Lengths, lengthCounts } from './lengths.ts'
import { nothingUsable } from './load.ts'
import { type NearStore, openNearStore } from './near-store.ts'
import type { Labelled, Pair } from './pair.ts'
import { type Quarantined, type Reason, reasons } from './quarantine.ts'
import type { Columns } from './read.ts'
import type { Tokenising, Vocabulary } from './tokenise.ts'

/** One token as the model meets it: its visible piece, its id, and whether a log-probability is asked for it. */
export interface TokenTruth {
  readonly piece: string
  readonly id: number
  readonly trained: boolean
}

/** What is in a file of preferences, counted in tokens: the truth before anything is trained on it. */
export interface Check {
  readonly file: string
  readonly kind: 'pairs' | 'unpaired'
  readonly rows: number
  /** How many rows were read in each dialect. */
  readonly dialects: Readonly<Record<string, number>>
  readonly usable: number
  readonly verbatim: number
  /** Rows that were cut to fit, and the tokens cut off. */
  readonly truncated: { readonly rows: number; readonly tokens: number }
  /** Rows set aside: how many for each reason, and the first of them. */
  readonly quarantined: readonly { readonly reason: Reason; readonly rows: number; readonly line: number; readonly detail: string }[]
  /** `prompt`, each side, and `whole`: the prompt with its longer completion. */
  readonly lengths: Readonly<Record<string, Lengths>>
  /** Text rows, usable or set aside for this: prompts that are token prefixes of both completed texts, and prompts that are not. */
  readonly boundary: { readonly prefix: number; readonly trimmed: number; readonly setAside: number }
  /** The token appended to text completions, to how many, and how many had one. */
  readonly end: { readonly id: number | undefined; readonly piece: string; readonly added: number; readonly there: number }
  /** What texts wrote that is put there anyway, and stands there once; and rows of ids, left as they are, that begin or end twice. */
  readonly doubled: { readonly begins: number; readonly ends: number; readonly ids: number }
  /** Rows that repeat an earlier one, rows that share an earlier prompt, and rows that an earlier one contradicts: the votes are for the other side, or the label is the other. */
  readonly duplicates: {
    readonly rows: number
    readonly prompts: number
    readonly swapped: number
    /** Of the prompts that differ, how many are near duplicates of an earlier one: other case, spaces or marks, or most words the same. */
    readonly nearPrompts: number
  }
  /** Pairs: votes for either side. Unpaired: rows with either label. */
  readonly votes: { readonly chosen: number; readonly rejected: number }
  /** Pairs of which the voter has as many votes for either side, and pairs without a preference. */
  readonly ties?: number
  readonly gaps?: number
  /** Pairs only: how often the chosen side is the longer one, ties counted half. Far from ½, length alone tells the sides apart. */
  readonly chosenLonger?: number
  /** The first usable row, token by token. */
  readonly example: Readonly<Record<string, readonly TokenTruth[]>>
}

export interface Checking extends Tokenising {
  readonly kind: 'pairs' | 'labelled'
  readonly columns?: Columns | undefined
  /** Called with every row that is set aside. */
  readonly onAside?: (row: Quarantined) => void
  /** Called with how much of the file, unpacked, was read since. units bytes, about */
  readonly onRead?: (size: number) => void
}

/** What a file holds, and its distinct prompts, which are closed by whoever asked for them. */
export interface Checked {
  readonly check: Check
  readonly prompts: NearStore
  /** Of each distinct prompt, its place among them. */
  readonly places: HashTable
}

/**
 * Counts what a file holds: rows set aside, lengths, boundary, end tokens, duplicates, votes, and the first row as token truth. The file is read once, and
 * of each row some numbers are kept.
 *
 * throws  UserError when the file can not be read or no row in it is usable
 * limits  rows are told apart by hashes of 53 bits
 */
export async function checkFile(
  file: string,
  vocabulary: VocabularyInFolder,
  { kind, onAside, onRead, ...options }: Checking,
): Promise<Checked> {
  const count = counting()
  for await (const part of digestFile(file, vocabulary, { ...options, wanted: kind, shingles: true })) {
    count.add(part)
    for (const row of part.aside) onAside?.(row)
    onRead?.(part.size)
  }
  return { check: count.check(file, kind, vocabulary), prompts: count.prompts, places: count.places }
}

interface Totals {
  usable: number
  verbatim: number
  trimmed: number
  truncated: number
  cutTokens: number
  endTokens: number
  ended: number
  begins: number
  ends: number
  doubled: number
  votesA: number
  votesB: number
  ties: number
  gaps: number
  longer: number
  repeated: number
  prompts: number
  swapped: number
}

function counting() {
  const totals: Totals = {
    ...{ usable: 0, verbatim: 0, trimmed: 0, truncated: 0, cutTokens: 0, endTokens: 0, ended: 0, begins: 0, ends: 0, doubled: 0 },
    ...{ votesA: 0, votesB: 0, ties: 0, gaps: 0, longer: 0, repeated: 0, prompts: 0, swapped: 0 },
  }
  const lengths = { prompt: lengthCounts(), a: lengthCounts(), b: lengthCounts(), whole: lengthCounts() }
  const [rowsMet, winners, places] = [hashTable(), hashTable(), hashTable()]
  const prompts = openNearStore()
  const dialects: Record<string, number> = {}
  const aside = new Map<Reason, { rows: number; line: number; detail: string }>()
  let first: Pair | Labelled | undefined
  let rows = 0

  return {
    prompts,
    places,
    add(part: Digests) {
      rows += part.read
      first ??= part.first
      for (const [name, count] of Object.entries(part.dialects)) dialects[name] = (dialects[name] ?? 0) + count
      for (const { reason, line, detail } of part.aside) {
        const known = aside.get(reason)
        if (known) known.rows++
        else aside.set(reason, { rows: 1, line, detail })
      }
      let at = 0
      let row = 0
      for (const digest of digestsIn(part)) {
        countRow(totals, digest)
        countLengths(lengths, digest)
        totals.repeated += met(rowsMet, hashOf(digest.promptHash, digest.aHash, digest.bHash))
        totals.swapped += contradicts(winners, digest)
        const [form, count] = [part.forms[2 * row]!, part.forms[2 * row + 1]!]
        if (places.get(digest.promptHash) === undefined) {
          places.set(digest.promptHash, prompts.size)
          prompts.add({ form, shingles: part.shingles.subarray(at, at + count) })
        } else totals.prompts++
        at += count
        row++
      }
    },
    check(file: string, kind: Checking['kind'], { tokenizer, eosIds }: Vocabulary): Check {
      const quarantined = reasons.flatMap((reason) => (aside.has(reason) ? [{ reason, ...aside.get(reason)! }] : []))
      if (!first) throw nothingUsable(file, kind, rows, quarantined)
      const setAside = aside.get('not a token prefix')?.rows ?? 0
      const piece = (id: number | undefined) => (id === undefined ? '' : tokenizer.pieces([id]).join(''))
      const { usable, verbatim, trimmed, endTokens } = totals
      return {
        ...{ file, kind: kind === 'pairs' ? 'pairs' : 'unpaired', rows, dialects, usable, verbatim },
        truncated: { rows: totals.truncated, tokens: totals.cutTokens },
        quarantined,
        lengths: lengthsOf(lengths, kind),
        boundary: { prefix: usable - verbatim - trimmed, trimmed, setAside },
        end: { id: eosIds[0], piece: piece(eosIds[0]), added: endTokens, there: totals.ended - endTokens },
        doubled: { begins: totals.begins, ends: totals.ends, ids: totals.doubled },
        duplicates: { rows: totals.repeated, prompts: totals.prompts, swapped: totals.swapped, nearPrompts: nearPrompts(prompts) },
        votes: { chosen: totals.votesA, rejected: totals.votesB },
        ...(kind === 'pairs' && { ties: totals.ties, gaps: totals.gaps, chosenLonger: totals.longer / usable }),
        example: truthOf(first, tokenizer),
      }
    },
  }
}

function countRow(totals: Totals, digest: Digest) {
  const { gap, votesA, votesB, a, b } = digest
  totals.usable++
  totals.verbatim += digest.verbatim
  totals.trimmed += digest.trimmed > 0 ? 1 : 0
  totals.truncated += digest.cutTokens > 0 ? 1 : 0
  totals.cutTokens += digest.cutTokens
  totals.endTokens += digest.endTokens
  totals.ended += digest.ended
  totals.begins += digest.begins
  totals.ends += digest.ends
  totals.doubled += digest.doubled
  totals.votesA += votesA
  totals.votesB += votesB
  totals.ties += votesA === votesB && gap === 0 ? 1 : 0
  totals.gaps += gap
  totals.longer += (Math.sign(a - b) + 1) / 2
}

type AllLengths = Readonly<Record<'prompt' | 'a' | 'b' | 'whole', LengthCounts>>

function countLengths(lengths: AllLengths, { prompt, a, b }: Digest) {
  lengths.prompt.add(prompt)
  lengths.a.add(a)
  if (b >= 0) lengths.b.add(b)
  lengths.whole.add(prompt + Math.max(a, b))
}

function lengthsOf({ prompt, a, b, whole }: AllLengths, kind: Checking['kind']): Record<string, Lengths> {
  const sides = kind === 'pairs' ? { chosen: a.lengths(), rejected: b.lengths() } : { completion: a.lengths() }
  return { prompt: prompt.lengths(), ...sides, whole: whole.lengths() }
}

/** 1 where it was there before. */
function met(table: HashTable, hash: number): 0 | 1 {
  if (table.get(hash) !== undefined) return 1
  table.set(hash, 1)
  return 0
}

/** Of equal sides after equal prompts, in any order: 1 where another one wins than did before, or has been contradicted. Ties and gaps are for neither. */
function contradicts(winners: HashTable, { promptHash, aHash, bHash, b, votesA, votesB }: Digest): 0 | 1 {
  if (votesA === votesB) return 0
  const [low, high] = aHash < bHash ? [aHash, bHash] : [bHash, aHash]
  const key = b < 0 ? hashOf(promptHash, aHash) : hashOf(promptHash, low, high)
  const wins = b < 0 ? (votesA > votesB ? 1 : 2) : (votesA > votesB ? aHash : bHash) === low ? 1 : 2
  const all = (winners.get(key) ?? 0) | wins
  winners.set(key, all)
  return all === 3 ? 1 : 0
}

/** How many prompts are near duplicates of an earlier one. */
function nearPrompts(prompts: NearStore): number {
  const groups = prompts.groups([[0, prompts.size]])
  let firsts = 0
  for (let i = 0; i < prompts.size; i++) if (groups.of(i) === i) firsts++
  return prompts.size - firsts
}

function truthOf(example: Pair | Labelled, tokenizer: Vocabulary['tokenizer']): Check['example'] {
  const truth = (ids: readonly number[], trained: boolean) => tokenizer.pieces(ids).map((piece, i) => ({ piece, id: ids[i]!, trained }))
  const sides = 'chosen' in example ? { chosen: example.chosen, rejected: example.rejected } : { completion: example.completion }
  return {
    prompt: truth(example.prompt, false),
    ...Object.fromEntries(Object.entries(sides).map(([name, ids]) => [name, truth(ids, true)])),
  }
}
