import { frameOf } from '../text/beginning.ts'
import type { Loaded } from './load.ts'
import { nearDuplicates } from './near-duplicates.ts'
import type { Labelled, Pair } from './pair.ts'
import type { Reason } from './quarantine.ts'
import type { Vocabulary } from './tokenise.ts'

/** Smallest, middle and largest of some lengths, in tokens. */
export interface Lengths {
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
  readonly mean: number
}

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

/** Counts what a loaded file holds: rows set aside, lengths, boundary, end tokens, duplicates, votes, and the first row as token truth. */
export function checkPreferences(loaded: Loaded<Pair> | Loaded<Labelled>, { tokenizer, eosIds }: Vocabulary): Check {
  const examples: readonly (Pair | Labelled)[] = loaded.examples
  const parts = examples.map(sidesOf)
  const pairs = examples.filter(isPair)
  const sideNames = Object.keys(parts[0]!)
  const sides = parts.flatMap((part) => Object.values(part))
  const { file, rows, dialects, verbatim, trimmed } = loaded
  const piece = (id: number | undefined) => (id === undefined ? '' : tokenizer.pieces([id]).join(''))
  return {
    file,
    kind: pairs.length > 0 ? 'pairs' : 'unpaired',
    rows,
    dialects,
    usable: examples.length,
    verbatim,
    truncated: loaded.truncated,
    quarantined: firstOfEach(loaded),
    lengths: {
      prompt: lengthsOf(examples.map(({ prompt }) => prompt.length)),
      ...Object.fromEntries(sideNames.map((name) => [name, lengthsOf(parts.map((part) => part[name]!.length))])),
      whole: lengthsOf(examples.map(({ prompt }, i) => prompt.length + Math.max(...Object.values(parts[i]!).map((side) => side.length)))),
    },
    boundary: { prefix: examples.length - verbatim - trimmed, trimmed, setAside: loaded.counts['not a token prefix'] ?? 0 },
    end: {
      id: eosIds[0],
      piece: piece(eosIds[0]),
      added: loaded.endTokens,
      there: sides.filter((side) => eosIds.includes(side.at(-1)!)).length - loaded.endTokens,
    },
    doubled: { begins: loaded.begins, ends: loaded.ends, ids: examples.filter((row) => isDoubled(row, tokenizer, eosIds)).length },
    duplicates: {
      rows: repeats(examples.map(({ prompt }, i) => JSON.stringify([prompt, parts[i]]))),
      prompts: repeats(examples.map(({ prompt }) => prompt.join(' '))),
      swapped: contradictions(examples),
      nearPrompts: nearRepeats(
        examples.map(({ prompt }) => prompt),
        tokenizer,
      ),
    },
    votes: votesOf(examples),
    ...(pairs.length > 0 && {
      ties: pairs.filter(({ votes: [a, b], gap }) => a === b && !gap).length,
      gaps: pairs.filter(({ gap }) => gap).length,
      chosenLonger: mean(pairs.map(({ chosen, rejected }) => (Math.sign(chosen.length - rejected.length) + 1) / 2)),
    }),
    example: truthOf(examples[0]!, tokenizer),
  }
}

/** Ids that begin as the tokenizer begins, twice over, or a completion with more than one end. Of texts none does. */
function isDoubled(example: Pair | Labelled, tokenizer: Vocabulary['tokenizer'], eosIds: readonly number[]): boolean {
  const { begin } = frameOf(tokenizer)
  const twice = begin.length > 0 && [...begin, ...begin].every((id, i) => example.prompt[i] === id)
  return twice || Object.values(sidesOf(example)).some((ids) => ids.filter((id) => eosIds.includes(id)).length > 1)
}

function isPair(example: Pair | Labelled): example is Pair {
  return 'chosen' in example
}

function sidesOf(example: Pair | Labelled): Record<string, readonly number[]> {
  return isPair(example) ? { chosen: example.chosen, rejected: example.rejected } : { completion: example.completion }
}

function votesOf(examples: readonly (Pair | Labelled)[]): Check['votes'] {
  const each = examples.map((example) => (isPair(example) ? example.votes : example.label ? [1, 0] : [0, 1]))
  return { chosen: sum(each.map(([a]) => a!)), rejected: sum(each.map(([, b]) => b!)) }
}

function truthOf(example: Pair | Labelled, tokenizer: Vocabulary['tokenizer']): Check['example'] {
  const truth = (ids: readonly number[], trained: boolean) => tokenizer.pieces(ids).map((piece, i) => ({ piece, id: ids[i]!, trained }))
  const sides = Object.entries(sidesOf(example)).map(([name, ids]) => [name, truth(ids, true)] as const)
  return { prompt: truth(example.prompt, false), ...Object.fromEntries(sides) }
}

function lengthsOf(lengths: readonly number[]): Lengths {
  const sorted = [...lengths].sort((a, b) => a - b)
  // The smallest length that at least this share of the rows does not exceed.
  const quantile = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
  return { min: sorted[0]!, p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: sorted.at(-1)!, mean: mean(lengths) }
}

function repeats(keys: readonly string[]): number {
  return keys.length - new Set(keys).size
}

function nearRepeats(prompts: readonly (readonly number[])[], tokenizer: Vocabulary['tokenizer']): number {
  const distinct = [...new Map(prompts.map((ids) => [ids.join(' '), ids])).values()]
  return distinct.length - nearDuplicates(distinct.map((ids) => tokenizer.decode(ids))).length
}

/** Of equal sides after equal prompts, in any order: how often another one wins than did before. Ties and gaps are for neither. */
function contradictions(examples: readonly (Pair | Labelled)[]): number {
  const seen = new Map<string, Set<string>>()
  return examples.filter((example) => {
    const winner = winnerOf(example)
    if (winner === undefined) return false
    const sides = Object.values(sidesOf(example)).map((side) => side.join(' '))
    const key = [example.prompt.join(' '), ...sides.toSorted()].join('|')
    const winners = seen.get(key) ?? new Set()
    seen.set(key, winners.add(winner))
    return winners.size > 1
  }).length
}

function winnerOf(example: Pair | Labelled): string | undefined {
  if (!isPair(example)) return String(example.label)
  const [a, b] = example.votes
  return a === b ? undefined : (a > b ? example.chosen : example.rejected).join(' ')
}

function firstOfEach({ counts, quarantined }: Loaded<Pair | Labelled>): Check['quarantined'] {
  return (Object.entries(counts) as [Reason, number][]).map(([reason, rows]) => {
    const { line, detail } = quarantined.find((row) => row.reason === reason)!
    return { reason, rows, line, detail }
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}

function mean(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length
}
