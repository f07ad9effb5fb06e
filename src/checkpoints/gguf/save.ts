import { join } from 'node:path'
import { z } from 'zod'
import { parse, readJson } from '../../files/json.ts'
import { UserError } from '../../graph/errors.ts'
import type { Tensor } from '../../graph/tensor.ts'
import { writeConfig } from '../../models/config.ts'
import type { DecoderParams } from '../../models/params.ts'
import { findChatTemplate, specialTokens } from '../../text/chat-template.ts'
import { type Checkpoint, namedWeights } from '../checkpoint.ts'
import { architectures } from './architectures.ts'
import { toPairs } from './layouts.ts'
import { type Planned, type Typed, writeGguf } from './write.ts'
import { writeGgufTokenizer } from './write-tokenizer.ts'

/** How the matrices of a GGUF file are written; norms and biases are F32, and so small that it does not matter. */
export type GgufType = 'f16' | 'q8_0' | 'q4_0'

const fileTypes = { f16: 1, q8_0: 7, q4_0: 2 } as const
const tensorTypes = { f16: 'F16', q8_0: 'Q8_0', q4_0: 'Q4_0' } as const
const written = { llama: 'llama', mistral: 'llama', qwen2: 'qwen2', qwen3: 'qwen3' } as const
const remedy = 'save it as safetensors instead'
const count = z.int().positive()
const config = z.looseObject({
  model_type: z.enum(Object.keys(written) as (keyof typeof written)[]),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count,
  max_position_embeddings: count,
  rms_norm_eps: z.number(),
  rope_theta: z.number().nullish(),
  rope_parameters: z.looseObject({ rope_theta: z.number().nullish(), rope_type: z.string().nullish() }).nullish(),
  rope_scaling: z.looseObject({ rope_type: z.string().nullish() }).nullish(),
})

/**
 * Saves a model as one GGUF file that llama.cpp reads, with its tokenizer and chat template.
 *
 * throws  UserError for a family, a tokenizer or an edit of activations that is not written so, and when the disk refuses
 * limits  Llama, Qwen2 and Qwen3 with plain rotary positions
 */
export async function saveGguf(
  file: string,
  checkpoint: Pick<Checkpoint, 'name' | 'folder' | 'config' | 'params' | 'eosIds' | 'edits'>,
  { type = 'f16', params = checkpoint.params }: { readonly type?: GgufType; readonly params?: DecoderParams<Tensor> } = {},
): Promise<void> {
  const [held] = checkpoint.edits ?? []
  if (held)
    throw new UserError(
      `${file}: a GGUF file holds weights alone, got ${held.name}, which acts on activations; leave it out; innate edit steer --to FILE.gguf writes a control vector`,
    )
  const hf = parse(`${checkpoint.name}: config`, writeConfig(checkpoint.config), config, remedy)
  for (const rope of [hf.rope_scaling, hf.rope_parameters])
    if (rope && (rope.rope_type ?? 'default') !== 'default')
      throw new UserError(`${checkpoint.name}: rotary positions must not be scaled, got ${JSON.stringify(rope)}; ${remedy}`)
  const arch = written[hf.model_type]
  const tokenizerFile = join(checkpoint.folder, 'tokenizer.json')
  const tokenizer = writeGgufTokenizer(tokenizerFile, await readJson(tokenizerFile, z.unknown(), remedy), hf.vocab_size)
  const { texts } = tokenizer.get('tokenizer.ggml.tokens') as { texts: readonly string[] }
  const tokens = new Map(texts.map((text, id) => [text, id]))
  const metadata = new Map<string, Typed>([
    ['general.architecture', { text: arch }],
    ['general.type', { text: 'model' }],
    ['general.name', { text: checkpoint.name }],
    ['general.file_type', { u32: fileTypes[type] }],
    ['general.quantization_version', { u32: 2 }],
    [`${arch}.vocab_size`, { u32: hf.vocab_size }],
    [`${arch}.context_length`, { u32: hf.max_position_embeddings }],
    [`${arch}.embedding_length`, { u32: hf.hidden_size }],
    [`${arch}.block_count`, { u32: hf.num_hidden_layers }],
    [`${arch}.feed_forward_length`, { u32: hf.intermediate_size }],
    [`${arch}.attention.head_count`, { u32: hf.num_attention_heads }],
    [`${arch}.attention.head_count_kv`, { u32: hf.num_key_value_heads }],
    [`${arch}.attention.key_length`, { u32: hf.head_dim }],
    [`${arch}.attention.value_length`, { u32: hf.head_dim }],
    [`${arch}.attention.layer_norm_rms_epsilon`, { f32: hf.rms_norm_eps }],
    [`${arch}.rope.dimension_count`, { u32: hf.head_dim }],
    [`${arch}.rope.freq_base`, { f32: hf.rope_theta ?? hf.rope_parameters?.rope_theta ?? 10_000 }],
    ...(await ends(checkpoint, tokens)),
    ...tokenizer,
  ])
  const heads = { attn_q: hf.num_attention_heads, attn_k: hf.num_key_value_heads }
  const names = namesOf(arch, hf.num_hidden_layers)
  const tensors = namedWeights(checkpoint.config, params).map(([name, tensor]): Planned => {
    const stored = names.get(name)
    if (stored === undefined) throw new UserError(`${checkpoint.name}: ${name} must have a name in a GGUF file, got none; ${remedy}`)
    const turned = arch === 'llama' ? heads[/(attn_[qk])\.\w+$/.exec(stored)?.[1] as keyof typeof heads] : undefined
    const whole = tensor.shape.at(-1)! % 32 === 0
    return {
      name: stored,
      type: tensor.shape.length === 1 ? 'F32' : whole ? tensorTypes[type] : 'F16',
      shape: tensor.shape,
      read: () => (turned === undefined ? tensor : toPairs({ ...tensor, data: tensor.data.slice() }, turned)),
    }
  })
  await writeGguf(file, metadata, tensors)
}

/** Hugging Face's names to those in the file. */
function namesOf(arch: string, layers: number): Map<string, string> {
  const { outer, blocks, block } = architectures[arch]!
  const both = (from: string, to: string) => ['weight', 'bias'].map((kind): [string, string] => [`${to}.${kind}`, `${from}.${kind}`])
  return new Map([
    ...Object.entries(outer).flatMap(([from, to]) => both(from, to)),
    ...Array.from({ length: layers }, (_, i) => Object.entries(block).flatMap(([from, to]) => both(`blk.${i}.${from}`, `${blocks}.${i}.${to}`))).flat(), // biome-ignore format: one line
  ])
}

/** The tokens that begin and end a text or fill up a row, and the chat template that is the model's own. */
async function ends(
  { folder, eosIds: [end, turn] }: Pick<Checkpoint, 'folder' | 'eosIds'>,
  ids: ReadonlyMap<string, number>,
): Promise<Map<string, Typed>> {
  const told = z.looseObject({ bos_token_id: z.int().nonnegative().nullish() })
  const jsonOf = async (name: string) => told.safeParse(await readJson(join(folder, name), z.unknown(), remedy).catch(() => ({}))).data
  const special = await specialTokens(folder)
  const idOf = (name: string) => {
    const token = special[name]
    return typeof token === 'string' ? ids.get(token) : undefined
  }
  const begin = idOf('bos_token') ?? (await jsonOf('generation_config.json'))?.bos_token_id ?? (await jsonOf('config.json'))?.bos_token_id
  const pad = idOf('pad_token')
  const template = (await findChatTemplate(folder))?.source
  return new Map<string, Typed>([
    ...(begin == null ? [] : ([['tokenizer.ggml.bos_token_id', { u32: begin }]] as const)),
    ...(end === undefined ? [] : ([['tokenizer.ggml.eos_token_id', { u32: end }]] as const)),
    ...(turn === undefined ? [] : ([['tokenizer.ggml.eot_token_id', { u32: turn }]] as const)),
    ...(pad === undefined ? [] : ([['tokenizer.ggml.padding_token_id', { u32: pad }]] as const)),
    ...(template === undefined ? [] : ([['tokenizer.chat_template', { text: template }]] as const)),
  ])
}
