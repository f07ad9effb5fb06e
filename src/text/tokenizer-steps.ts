import { z } from 'zod'

/** tokenizer.json with what transformers takes from tokenizer_config.json: tokens that stand there alone, and `add_prefix_space`. */
export function mendTokenizerJson<T extends object>(json: T, config: Readonly<Record<string, unknown>>): T {
  return withPrefixSpace(withAddedTokens(json, config), config)
}

/** What is refused of a tokenizer: the field, the rule, what came. */
export interface Lack {
  readonly field: string
  readonly rule: string
  readonly got: unknown
}

const step = z.looseObject({ type: z.string() })
type Step = z.infer<typeof step>
const added = z.looseObject({ content: z.string(), id: z.int().nonnegative(), single_word: z.boolean().nullish() })

/** The first field that says what neither the port nor this file does; undefined when all is done. */
export function lackOf(json: Readonly<Record<string, unknown>>): Lack | undefined {
  const lacks: Lack[] = []
  const must = (holds: boolean, field: string, rule: string, got: unknown) => {
    if (!holds) lacks.push({ field, rule, got })
  }
  const tokens = z.array(added).catch([]).parse(json.added_tokens)
  for (const [i, { single_word, content }] of tokens.entries())
    must(!single_word, `added_tokens.${i}.single_word`, 'must be false', `true for ${content}`)
  const model = step.partial().catch({}).parse(json.model) as Readonly<Record<string, unknown>>
  if (Array.isArray(model.vocab)) {
    const wrong = model.vocab.findIndex((one) => !Array.isArray(one) || typeof one[0] !== 'string' || typeof one[1] !== 'number')
    must(wrong < 0, `model.vocab.${wrong}`, 'must be a text and its score', model.vocab[wrong])
    if (wrong >= 0) return lacks[0]
  }
  must(model.dropout == null || model.dropout === 0, 'model.dropout', 'must be null', model.dropout)
  const prefix = model.continuing_subword_prefix
  must(model.type !== 'BPE' || !prefix, 'model.continuing_subword_prefix', 'of a BPE must be null', prefix)
  for (const [field, one] of stepsOf('normalizer', json.normalizer, 'normalizers'))
    must(one.type !== 'Precompiled', `${field}.type`, 'must not be Precompiled, a table of characters', one.type)
  if (model.type === 'Unigram' && Array.isArray(model.vocab) && typeof model.unk_id === 'number') {
    must(model.unk_id >= 0 && model.unk_id < model.vocab.length, 'model.unk_id', 'must be one of its pieces', model.unk_id)
    must(!model.byte_fallback || bytePieces(json) !== undefined, 'model.byte_fallback', 'must have all 256 bytes in the vocabulary', true)
  }
  for (const [field, one] of stepsOf('pre_tokenizer', json.pre_tokenizer, 'pretokenizers')) {
    must(one.type !== 'FixedLength', `${field}.type`, 'must not be FixedLength', one.type)
    if (one.type !== 'Split') continue
    const pattern = one.pattern as { String?: unknown; Regex?: unknown } | null | undefined
    must(typeof (pattern?.String ?? pattern?.Regex) === 'string', `${field}.pattern`, 'must have a String or a Regex', one.pattern)
    const behaviours = ['removed', 'isolated', 'mergedwithprevious', 'mergedwithnext', 'contiguous']
    must(
      typeof one.behavior === 'string' && behaviours.includes(one.behavior.toLowerCase()),
      `${field}.behavior`,
      `must be one of ${behaviours.join(', ')}`,
      one.behavior,
    )
  }
  return lacks[0]
}

/** A step of tokenizer.json and those inside it, by their fields. */
export function stepsOf(field: string, value: unknown, inner: string): [string, Step][] {
  const read = step.safeParse(value)
  if (!read.success) return []
  const list = Array.isArray(read.data[inner]) ? (read.data[inner] as unknown[]) : []
  return [[field, read.data], ...list.flatMap((one, i) => stepsOf(`${field}.${inner}.${i}`, one, inner))]
}

/** transformers adds tokens that stand in tokenizer_config.json alone, each with the next id. */
function withAddedTokens<T extends object>(json: T, { added_tokens_decoder: decoder }: Readonly<Record<string, unknown>>): T {
  const told = z.record(z.string(), added.omit({ id: true })).safeParse(decoder)
  if (!told.success) return json
  const { added_tokens, model } = json as {
    added_tokens?: { content: string; id: number }[]
    model: { vocab: Record<string, number> | unknown[] }
  }
  const all = [...(added_tokens ?? [])]
  const known = new Set(all.map(({ content }) => content))
  const vocab = Array.isArray(model.vocab)
    ? new Map(model.vocab.map((one, i) => [String((one as unknown[])[0]), i]))
    : new Map(Object.entries(model.vocab))
  let next =
    Math.max(
      -1,
      ...all.map(({ id }) => id),
      [...vocab.values()].reduce((most, id) => Math.max(most, id), -1),
    ) + 1
  for (const [key, token] of Object.entries(told.data).sort(([a], [b]) => Number(a) - Number(b))) {
    if (known.has(token.content)) continue
    const id = vocab.get(token.content) ?? next++
    if (id !== Number(key))
      throw new Error(`added_tokens_decoder.${key} must be the next id, ${id}, since tokenizer.json does not have ${token.content}`)
    all.push({ ...token, id })
  }
  return { ...json, added_tokens: all }
}

/** transformers sets it where the one pre-tokenizer has that field. */
function withPrefixSpace<T extends object>(json: T, { add_prefix_space: prefix }: Readonly<Record<string, unknown>>): T {
  const { pre_tokenizer: given } = json as { pre_tokenizer?: object | null }
  if (typeof prefix !== 'boolean' || !given || !('add_prefix_space' in given)) return json
  return { ...json, pre_tokenizer: { ...given, add_prefix_space: prefix } }
}

/** The ids of bytes by which a Unigram says what it has no piece for; undefined where it does not, or lacks one of them. */
export function bytePieces(json: Readonly<Record<string, unknown>>): readonly number[] | undefined {
  const model = json.model as { type?: string; byte_fallback?: boolean; vocab?: unknown }
  if (model.type !== 'Unigram' || !model.byte_fallback || !Array.isArray(model.vocab)) return undefined
  const ids = new Map(model.vocab.map((one: unknown[], id) => [String(one[0]), id]))
  const all = Array.from({ length: 256 }, (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`))
  return all.every((id) => id !== undefined) ? (all as number[]) : undefined
}
