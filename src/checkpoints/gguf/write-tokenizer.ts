import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { parse } from '../../files/json.ts'
import { UserError } from '../../graph/errors.ts'
import { preTokenizers } from './pre-tokenizers.ts'
import { tokenKinds } from './tokenizer.ts'
import type { Typed } from './write.ts'

const step = z.looseObject({ type: z.string() })
const tokenizerJson = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string(), special: z.boolean().default(false) })).default([]),
  normalizer: z.unknown(),
  pre_tokenizer: step.nullish(),
  post_processor: z.unknown(),
  model: z.looseObject({
    type: z.literal('BPE'),
    vocab: z.record(z.string(), z.int().nonnegative()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().default(false),
    ignore_merges: z.boolean().default(false),
  }),
})
type Json = z.infer<typeof tokenizerJson>
const remedy = 'choose a model whose tokenizer llama.cpp knows'

/**
 * tokenizer.json as the lists of a GGUF file, padded with unused tokens to the rows of the embedding.
 *
 * throws  UserError for a tokenizer other than byte-level BPE with a known pre-tokenizer and SentencePiece's BPE
 * limits  Metaspace puts no space in front of a text that begins with one, llama.cpp does: the file has no word for it
 */
export function writeGgufTokenizer(file: string, json: unknown, rows: number): Map<string, Typed> {
  const read = parse(file, json, tokenizerJson, remedy)
  const { model, added_tokens: added } = read
  const ids = new Map([...Object.entries(model.vocab), ...added.map(({ content, id }) => [content, id] as const)])
  const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`)
  const kinds = Array.from({ length: rows }, (): number => tokenKinds.unused)
  for (const [text, id] of ids) {
    if (id >= rows) throw new UserError(`${file}: ids must be below the ${rows} rows of the embedding, got ${id} for ${text}; ${remedy}`)
    tokens[id] = text
    kinds[id] = model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(text) ? tokenKinds.byte : tokenKinds.normal
  }
  for (const { id, content, special } of added)
    kinds[id] =
      model.byte_fallback && content === model.unk_token ? tokenKinds.unknown : special ? tokenKinds.control : tokenKinds.userDefined
  const merges = model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))
  const [begin, end] = framedBy(read)
  return new Map<string, Typed>([
    ['tokenizer.ggml.model', { text: model.byte_fallback ? 'llama' : 'gpt2' }],
    ['tokenizer.ggml.pre', { text: model.byte_fallback ? 'default' : preTokenizerOf(file, read) }],
    ['tokenizer.ggml.tokens', { texts: tokens }],
    ['tokenizer.ggml.token_type', { i32s: kinds }],
    ...(model.byte_fallback
      ? ([
          ['tokenizer.ggml.scores', { f32s: scores(tokens, merges) }],
          ['tokenizer.ggml.add_space_prefix', { flag: prefixesSpace(file, read) }],
        ] as const)
      : ([['tokenizer.ggml.merges', { texts: merges }]] as const)),
    ...(model.unk_token == null ? [] : ([['tokenizer.ggml.unknown_token_id', { u32: ids.get(model.unk_token)! }]] as const)),
    ...(begin === undefined ? [] : ([['tokenizer.ggml.bos_token_id', { u32: begin }]] as const)),
    ['tokenizer.ggml.add_bos_token', { flag: begin !== undefined }],
    ['tokenizer.ggml.add_eos_token', { flag: end !== undefined }],
  ])
}

/** Whether a space is put in front of a text: by the normalizer, as transformers 4 saves it, or by Metaspace, as transformers 5 does. */
function prefixesSpace(file: string, { normalizer, pre_tokenizer: given }: Json): boolean {
  if (JSON.stringify(normalizer ?? null).includes('"Prepend"')) return true
  if (given == null) return false
  const atSpaces = given.type === 'Split' && isDeepStrictEqual(given.pattern, { String: ' ' })
  if (given.type === 'Metaspace')
    return given.prepend_scheme === undefined ? given.add_prefix_space !== false : given.prepend_scheme !== 'never'
  if (atSpaces) return false
  throw new UserError(`${file}: the pre-tokenizer of a SentencePiece must be none or Metaspace, got ${JSON.stringify(given)}; ${remedy}`)
}

/** Scores that bring about the merges in their order: a token made early is worth more. */
function scores(tokens: readonly string[], merges: readonly string[]): number[] {
  const rank = new Map<string, number>()
  for (const merge of merges) {
    const made = merge.replace(' ', '')
    if (!rank.has(made)) rank.set(made, -rank.size)
  }
  return tokens.map((text) => rank.get(text) ?? 0)
}

/** The name of the pre-tokenizer that has the same steps. */
function preTokenizerOf(file: string, { pre_tokenizer: given, normalizer, model }: Json): string {
  const steps = given?.type === 'Sequence' ? z.array(step).parse(given.pretokenizers) : given ? [given] : []
  const wanted = { steps: steps.map(essence), normalizer: normalizer ?? null, wholeWordsFirst: model.ignore_merges }
  for (const [name, known] of Object.entries(preTokenizers)) {
    if (isDeepStrictEqual(wanted, { ...known, steps: known.steps.map((one) => essence(one as z.infer<typeof step>)) })) return name
  }
  throw new UserError(
    `${file}: the pre-tokenizer must be that of ${Object.keys(preTokenizers).join(', ')}, got ${JSON.stringify(given)}; ${remedy}`,
  )
}

/** A step without what has no bearing on ids. */
function essence({ type, ...rest }: z.infer<typeof step>) {
  if (type === 'ByteLevel') return { type, prefix: rest.add_prefix_space ?? true, regex: rest.use_regex ?? true }
  return { type, ...rest }
}

/** The ids that the post-processor puts in front of a text and at its end. */
function framedBy({ post_processor: given }: Json): [begin?: number, end?: number] {
  const template = z.looseObject({
    type: z.literal('TemplateProcessing'),
    single: z.array(z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() })),
    special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })),
  })
  const parts = z.looseObject({ processors: z.array(z.unknown()) }).safeParse(given)
  for (const one of parts.success ? parts.data.processors : [given]) {
    const read = template.safeParse(one)
    if (!read.success) continue
    const { single, special_tokens: special } = read.data
    const text = single.findIndex(({ SpecialToken }) => SpecialToken === undefined)
    const idOf = (part: (typeof single)[number] | undefined) => part?.SpecialToken && special[part.SpecialToken.id]?.ids[0]
    return [text > 0 ? idOf(single[0]) : undefined, idOf(single[text + 1])] as [number?, number?]
  }
  return []
}
