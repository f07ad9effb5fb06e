import { z } from 'zod'
import { UserError } from '../graph/errors.ts'
import { parse } from '../text/json.ts'

/** What a decoder of the Llama family is, apart from its numbers. */
export interface DecoderConfig {
  readonly family: 'llama'
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediateSize: number
  readonly normEps: number
  readonly ropeTheta: number
  readonly contextLength: number
  /** The head is the embedding, so there is no head of its own. */
  readonly tied: boolean
}

const count = z.int().positive()
const rope = z
  .looseObject({ rope_type: z.string().optional(), type: z.string().optional(), rope_theta: z.number().positive().optional() })
  .nullish()
// Defaults are those of transformers' DecoderConfig, which omits a field that has its default.
const huggingFace = z.object({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: rope,
  rope_parameters: rope,
  max_position_embeddings: count.default(2048),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.string().default('silu'),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  quantization_config: z.unknown().optional(),
})

/**
 * Reads a Hugging Face config.json; `where` leads the error.
 *
 * throws  UserError for another architecture than Llama's, and for a Llama with scaled positions, biases, a sliding window or quantised weights
 */
export function readConfig(where: string, json: unknown): DecoderConfig {
  const remedy = 'choose a checkpoint of the Llama family as transformers writes it'
  const { model_type: type, sliding_window: window } = parse(
    where,
    json,
    z.object({ model_type: z.string(), sliding_window: z.unknown().optional() }),
    remedy,
  )
  const must = (holds: boolean, rule: string, got: unknown) => {
    if (!holds) throw new UserError(`${where}: ${rule}, got ${JSON.stringify(got) ?? 'nothing'}; ${remedy}`)
  }
  must(type === 'llama' || type === 'mistral', 'model_type must be "llama", or "mistral" without a sliding window', type)
  must(type === 'llama' || window === null, 'sliding_window of a mistral must be null', window)

  const hf = parse(where, json, huggingFace, remedy)
  for (const key of ['rope_scaling', 'rope_parameters'] as const) {
    must(['default', undefined].includes(hf[key]?.rope_type ?? hf[key]?.type), `${key} must be null or of type "default"`, hf[key])
  }
  must((hf.rope_parameters?.partial_rotary_factor ?? 1) === 1, 'partial_rotary_factor must be 1', hf.rope_parameters)
  must(hf.hidden_act === 'silu', 'hidden_act must be "silu"', hf.hidden_act)
  must(!hf.attention_bias, 'attention_bias must be false', hf.attention_bias)
  must(!hf.mlp_bias, 'mlp_bias must be false', hf.mlp_bias)
  must(hf.quantization_config == null, 'weights must not be quantised', hf.quantization_config)

  const { hidden_size: hiddenSize, num_attention_heads: heads } = hf
  const kvHeads = hf.num_key_value_heads ?? heads
  const headDim = hf.head_dim ?? hiddenSize / heads
  must(heads % kvHeads === 0, `num_key_value_heads must divide the ${heads} attention heads`, kvHeads)
  must(Number.isInteger(headDim) && headDim % 2 === 0, 'head_dim must be an even whole number', headDim)
  return {
    family: 'llama',
    vocabSize: hf.vocab_size,
    hiddenSize,
    layers: hf.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: hf.intermediate_size,
    normEps: hf.rms_norm_eps,
    ropeTheta: hf.rope_theta ?? hf.rope_parameters?.rope_theta ?? 10_000,
    contextLength: hf.max_position_embeddings,
    tied: hf.tie_word_embeddings,
  }
}

/** The config as Hugging Face writes it: the inverse of readConfig. */
export function writeConfig(config: DecoderConfig) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    max_position_embeddings: config.contextLength,
    tie_word_embeddings: config.tied,
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: 'float32',
  }
}
