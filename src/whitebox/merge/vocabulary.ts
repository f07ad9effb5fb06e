import { join } from 'node:path'
import { z } from 'zod'
import { exists } from '../../checkpoints/read-shards.ts'
import { readJson } from '../../files/json.ts'
import { UserError } from '../../graph/errors.ts'

const id = z.int().nonnegative()
const added = z.looseObject({ id, content: z.string() })
const tokenizerFile = z.looseObject({
  added_tokens: z.array(added).default([]),
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([z.record(z.string(), id), z.array(z.tuple([z.string(), z.number()]))]),
    merges: z.array(z.union([z.string(), z.array(z.string())])).optional(),
  }),
})
type TokenizerFile = z.infer<typeof tokenizerFile>

/** A tokenizer by its file, and the tokens for which a model has rows. */
export interface Vocabulary {
  readonly json: TokenizerFile
  readonly ids: ReadonlyMap<string, number>
}

/** Reads the vocabulary of a model folder; nothing where it has no tokenizer. */
export async function readVocabulary(folder: string, rows: number): Promise<Vocabulary | undefined> {
  const file = join(folder, 'tokenizer.json')
  if (!(await exists(file))) return undefined
  const json = await readJson(file, tokenizerFile, 'a model folder holds tokenizer.json as Hugging Face tokenizers writes it')
  const { vocab } = json.model
  const all = Array.isArray(vocab) ? vocab.map(([piece], i) => [piece, i] as const) : Object.entries(vocab)
  const ids = new Map([...all, ...json.added_tokens.map((one) => [one.content, one.id] as const)].filter(([, at]) => at < rows))
  return { json, ids }
}

/**
 * Refuses models that number their tokens differently where nothing says which tokenizer there shall be.
 *
 * throws  UserError that names a token
 */
export function mustAgree(where: string, models: readonly { readonly name: string; readonly vocabulary: Vocabulary | undefined }[]): void {
  const [first, ...others] = models.filter(({ vocabulary }) => vocabulary)
  for (const other of others) {
    const [a, b] = [first!.vocabulary!.ids, other.vocabulary!.ids]
    const differing = [...a, ...b].find(([token]) => a.get(token) !== b.get(token))?.[0]
    if (differing === undefined) continue
    const said = (ids: ReadonlyMap<string, number>) => (ids.has(differing) ? `number ${ids.get(differing)}` : 'missing')
    throw new UserError(
      `${where}: models must have one vocabulary, got ${JSON.stringify(differing)}, which is ${said(a)} in ${first!.name} and ${said(b)} in ${other.name}; say which with tokenizer_source: base, union or a model`,
    )
  }
}

/** A tokenizer without the tokens that its model has no rows for. */
export function stripped({ json, ids }: Vocabulary, where: string): TokenizerFile {
  const { vocab, merges, type } = json.model
  if (Array.isArray(vocab)) return json
  const kept = Object.entries(vocab).filter(([token]) => ids.has(token))
  const same = kept.length === Object.keys(vocab).length && json.added_tokens.every(({ content }) => ids.has(content))
  if (same) return json
  if (type !== undefined && type !== 'BPE')
    throw new UserError(
      `${where}: a tokenizer with more tokens than the model has rows must be BPE, got ${type}; take one without those tokens`,
    )
  const isKept = (merge: string | string[]) => (Array.isArray(merge) ? merge : merge.split(' ')).every((token) => ids.has(token))
  const model = { ...json.model, vocab: Object.fromEntries(kept), ...(merges ? { merges: merges.filter(isKept) } : {}) }
  return { ...json, model, added_tokens: json.added_tokens.filter(({ content }) => ids.has(content)) }
}

/**
 * The first tokenizer with the tokens of the others added to it, in their order: those that a tokenizer adds itself as it does, the others as
 * texts that are never cut.
 */
export function union([first, ...others]: readonly Vocabulary[], where: string): TokenizerFile {
  const base = stripped(first!, where)
  const known = new Set(first!.ids.keys())
  const plain: z.infer<typeof added>[] = []
  const marked: z.infer<typeof added>[] = []
  for (const { json, ids } of others) {
    const own = new Map(json.added_tokens.map((one) => [one.content, one]))
    for (const [content] of [...ids].sort((a, b) => a[1] - b[1])) {
      if (known.has(content)) continue
      known.add(content)
      const flags = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: false }
      if (own.has(content)) marked.push({ ...own.get(content)! })
      else plain.push({ content, ...flags, id: 0 })
    }
  }
  const start = 1 + Math.max(...first!.ids.values())
  return { ...base, added_tokens: [...base.added_tokens, ...[...plain, ...marked].map((one, i) => ({ ...one, id: start + i }))] }
}

/** Where each row of the embedding comes from. */
export interface RowMap {
  readonly rows: number
  /** By model: the row of each token, or −1; -2 in rows that no token has. */
  readonly from: readonly Int32Array[]
  /** Rows that are told: those of a model, by its place, or of zeros; with `force` also where a model has the token. */
  readonly told?: ReadonlyMap<number, { readonly of?: readonly [model: number, row: number] | undefined; readonly force: boolean }>
}

/** The rows of an output vocabulary in the embeddings of models; a model without a tokenizer is taken to have the first one's. */
export function rowMap(out: ReadonlyMap<string, number>, models: readonly (Vocabulary | undefined)[], multiple: number): RowMap {
  const first = models.find((one) => one)!
  const highest = Math.max(out.size, 1 + Math.max(...out.values()))
  const rows = Math.ceil(highest / multiple) * multiple
  const from = models.map((one) => {
    const map = new Int32Array(rows).fill(-2)
    for (const [token, at] of out) map[at] = (one ?? first).ids.get(token) ?? -1
    return map
  })
  return { rows, from }
}

/**
 * Embeddings with the rows of another vocabulary. A token that a model lacks gets the row of the base, of the one model that has it, or the
 * mean of those that do; one that none has is 0, and rows without a token are the mean of all others.
 *
 * source  mergekit 0.1.5, docs of tokenizer_source
 */
export function alignRows(
  tensors: (Float32Array | undefined)[],
  base: number,
  { rows, from, told }: RowMap,
  width: number,
): Float32Array[] {
  const row = (m: number, at: number) => tensors[m]!.subarray(from[m]![at]! * width, (from[m]![at]! + 1) * width)
  const lacking = new Map<number, Float32Array>()
  for (let at = 0; at < rows; at++) {
    const have = from.flatMap((map, m) => (map[at]! >= 0 ? [m] : []))
    const own = told?.get(at)
    if ((have.length === from.length && !own?.force) || from[0]![at] === -2) continue
    if (own) {
      const [m, row] = own.of ?? [0, 0]
      lacking.set(at, own.of ? tensors[m]!.slice(row * width, (row + 1) * width) : new Float32Array(width))
      continue
    }
    const donors = base >= 0 && have.includes(base) ? [base] : have
    const mean = new Float32Array(width)
    for (let i = 0; i < width; i++) mean[i] = donors.reduce((sum, m) => sum + row(m, at)[i]!, 0) / Math.max(1, donors.length)
    lacking.set(at, mean)
  }
  return from.map((map, m) => {
    const out = new Float32Array(rows * width)
    const sum = new Float64Array(width)
    const empty: number[] = []
    for (let at = 0; at < rows; at++) {
      if (map[at] === -2) {
        empty.push(at)
        continue
      }
      out.set(map[at]! >= 0 && !told?.get(at)?.force ? row(m, at) : lacking.get(at)!, at * width)
      for (let i = 0; i < width; i++) sum[i]! += out[at * width + i]!
    }
    for (const at of empty) for (let i = 0; i < width; i++) out[at * width + i] = sum[i]! / (rows - empty.length)
    tensors[m] = undefined
    return out
  })
}
