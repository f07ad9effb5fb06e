import { parsed, sizeOf, type Unread } from '../files/index.ts'
import { frameOf } from '../text/beginning.ts'
import { hashIds } from './hashes.ts'
import { otherKind } from './kind-name.ts'
import { shingled } from './near-store.ts'
import type { Labelled, Pair } from './pair.ts'
import type { Quarantined } from './quarantine.ts'
import { type Columns, rowOf } from './read.ts'
import { kindOfRow, type PreferenceRow, type Row } from './row.ts'
import { placeOf } from './split.ts'
import type { Refused } from './talk-tokens.ts'
import { type Tokenising, tokenise, type Vocabulary } from './tokenise.ts'

/** What a pass over a file asks of each row. */
export interface Digesting extends Tokenising {
  readonly columns?: Columns | undefined
  readonly wanted: 'pairs' | 'labelled'
  /** Shingles of every prompt, for near duplicates. */
  readonly shingles?: boolean
  /** The tokens of every usable row: `prompt`, then its sides. */
  readonly ids?: boolean
  /** The seed by which prompts are dealt into parts. */
  readonly splitSeed?: number
}

/** What is kept of a usable row: lengths in tokens, hashes, votes, and what was done to it. */
export interface Digest {
  /** Which of the rows that were digested together it is, from 0. */
  readonly row: number
  readonly prompt: number
  /** The length of each side: chosen and rejected, or the completion with −1. */
  readonly a: number
  readonly b: number
  readonly promptHash: number
  readonly aHash: number
  readonly bHash: number
  /** Votes for either side; of a labelled completion 1 and 0, or 0 and 1. */
  readonly votesA: number
  readonly votesB: number
  readonly gap: number
  /** 1 where the row came as ids. */
  readonly verbatim: number
  readonly trimmed: number
  readonly endTokens: number
  /** Sides that end with an end token. */
  readonly ended: number
  readonly begins: number
  readonly ends: number
  readonly cutTokens: number
  /** 1 for ids that begin or end twice. */
  readonly doubled: number
  /** In [0, 1), by the prompt and the seed alone. */
  readonly place: number
}

const fields = [
  'row', 'prompt', 'a', 'b', 'promptHash', 'aHash', 'bHash', 'votesA', 'votesB', 'gap', 'verbatim', 'trimmed', 'endTokens', 'ended', 'begins',
  'ends', 'cutTokens', 'doubled', 'place',
] as const satisfies readonly (keyof Digest)[] // biome-ignore format: one line

/** What some rows of a file come to; typed arrays, so that a thread hands it over at once. */
export interface Digests {
  /** Rows read, usable or not. */
  readonly read: number
  /** What they take in the file, unpacked. units bytes, about */
  readonly size: number
  /** Of each usable row its digest, field by field. */
  readonly numbers: Float64Array
  readonly dialects: Readonly<Record<string, number>>
  readonly aside: readonly Quarantined[]
  /** The first usable row. */
  readonly first?: Pair | Labelled
  /** Of each usable row: form, and how many shingles; then all shingles. */
  readonly forms: Float64Array
  readonly shingles: Uint32Array
  readonly ids: Int32Array
}

/** Reads, tokenises and digests some rows, which are counted from 0. */
export function digestRows(rows: readonly Unread[], vocabulary: Vocabulary, options: Digesting): Digests {
  const made: Digest[] = []
  const aside: Quarantined[] = []
  const dialects: Record<string, number> = {}
  const forms: number[] = []
  const shingles: Uint32Array[] = []
  const ids: (readonly number[])[] = []
  let first: Pair | Labelled | undefined
  let read = 0
  let size = 0
  for (const unread of rows) {
    size += sizeOf(unread)
    const object = parsed(unread)
    if (!object) continue
    const found = rowOf(object, options.columns)
    const number = read++
    if ('row' in found) dialects[found.dialect] = (dialects[found.dialect] ?? 0) + 1
    const done = 'bad' in found ? found.bad : readAsWanted(found.row, number, vocabulary, options)
    if ('reason' in done) {
      aside.push({ line: found.line, reason: done.reason, detail: done.detail, raw: found.raw })
      continue
    }
    const { example } = done
    first ??= example
    made.push(digestOf(done, 'row' in found && found.row.form.endsWith('Ids'), vocabulary, options))
    if (options.shingles) {
      const one = shingled(vocabulary.tokenizer.decode(example.prompt))
      forms.push(one.form, one.shingles.length)
      shingles.push(one.shingles)
    }
    if (options.ids) ids.push(example.prompt, ...sidesOf(example))
  }
  return {
    read,
    size,
    numbers: Float64Array.from(made.flatMap((digest) => fields.map((name) => digest[name]))),
    dialects,
    aside,
    ...(first ? { first } : {}),
    forms: Float64Array.from(forms),
    shingles: joined(shingles),
    ids: Int32Array.from(ids.flat()),
  }
}

/** The digests of a part, one by one. */
export function* digestsIn({ numbers }: Pick<Digests, 'numbers'>): Generator<Digest> {
  for (let at = 0; at < numbers.length; at += fields.length)
    yield Object.fromEntries(fields.map((name, i) => [name, numbers[at + i]!])) as unknown as Digest
}

/** What an example is made of: two sides, or one. */
export function sidesOf(example: Pair | Labelled): readonly (readonly number[])[] {
  return 'chosen' in example ? [example.chosen, example.rejected] : [example.completion]
}

type Done = Extract<ReturnType<typeof tokenise>, { example: unknown }>

function readAsWanted(row: Row, number: number, vocabulary: Vocabulary, options: Digesting): Done | Refused {
  if (kindOfRow(row) !== options.wanted) return otherKind(row, options.wanted)
  return tokenise(row as PreferenceRow, number, vocabulary, options)
}

function digestOf(
  { example, trimmed, endTokens, begins, ends, cutTokens }: Done,
  verbatim: boolean,
  { eosIds, tokenizer }: Vocabulary,
  { splitSeed }: Digesting,
): Digest {
  const sides = sidesOf(example)
  const [a, b] = sides
  const votes = 'chosen' in example ? example.votes : example.label ? [1, 0] : [0, 1]
  return {
    row: example.row,
    prompt: example.prompt.length,
    a: a!.length,
    b: b?.length ?? -1,
    promptHash: hashIds(example.prompt),
    aHash: hashIds(a!),
    bHash: b ? hashIds(b) : 0,
    votesA: votes[0]!,
    votesB: votes[1]!,
    gap: 'gap' in example && example.gap ? 1 : 0,
    verbatim: verbatim ? 1 : 0,
    trimmed,
    endTokens,
    ended: sides.filter((side) => eosIds.includes(side.at(-1)!)).length,
    begins,
    ends,
    cutTokens,
    doubled: isDoubled(example, tokenizer, eosIds) ? 1 : 0,
    place: splitSeed === undefined ? 0 : placeOf(example.text?.prompt ?? tokenizer.decode(example.prompt), splitSeed),
  }
}

/** Ids that begin as the tokenizer begins, twice over, or a completion with more than one end. Of texts none does. */
function isDoubled(example: Pair | Labelled, tokenizer: Vocabulary['tokenizer'], eosIds: readonly number[]): boolean {
  const { begin } = frameOf(tokenizer)
  const twice = begin.length > 0 && [...begin, ...begin].every((id, i) => example.prompt[i] === id)
  return twice || sidesOf(example).some((ids) => ids.filter((id) => eosIds.includes(id)).length > 1)
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
