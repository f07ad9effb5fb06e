import { z } from 'zod'
import type { Activation, DecoderConfig, LinearLayer } from '../config.ts'
import { readRope, ropeFields, writeRope } from './rope.ts'

/** A family of decoders: how its config.json and its tensors say what a DecoderConfig and DecoderParams say. */
export interface Family {
  /** The model's class in transformers. */
  readonly architecture: string
  /** The same of a model that scores texts, where it is not named after it. */
  readonly classifier?: string
  read(ask: ConfigQuestions): DecoderConfig
  /** The inverse of `read`. */
  write(config: DecoderConfig): Record<string, unknown>
  /** What begins the name of every tensor but the head's, and may be missing. */
  readonly base: string
  /** Tensors as they are stored → paths of our parameters, `*` for the number of a block. What a config does not have is not stored. */
  readonly tensors: Readonly<Record<string, string | Packed>>
  /** Names of tensors that say nothing new, such as masks. */
  readonly ignored?: RegExp
}

/** A stored tensor that is not simply one of ours. */
export interface Packed {
  /** One below the other along the first axis. */
  readonly paths: readonly string[]
  /** Stored as [in, out]. */
  readonly transposed?: boolean
  /** Not one below the other, but head by head: the first head of each, then the second, … */
  readonly byHead?: boolean
}

/** config.json as a family asks it; what does not fit is a UserError. */
export interface ConfigQuestions {
  parse<T>(schema: z.ZodType<T>): T
  must(holds: boolean, rule: string, got: unknown): void
}

export const count = z.int().positive()

/** How many blocks: far more than any model has, and few enough that lists of them are made in no time. */
export const layerCount = count.max(10_000)

/** Numbers that config.json may leave out. */
export interface Defaults {
  readonly contextLength: number
  readonly normEps: number
  readonly tied: boolean
  readonly ropeTheta: number
  readonly headDim?: number
  readonly activation?: string
  /** Which linear layers have biases where config.json says so. Default: none. */
  readonly mayHaveBiases?: 'attention' | 'all'
  /** Whether only a part of each head may be rotated. */
  readonly partial?: boolean
}

const fields = ropeFields.extend({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  rms_norm_eps: z.number().positive().nullish(),
  max_position_embeddings: count.nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  hidden_act: z.string().nullish(),
  hidden_activation: z.string().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
})

/** What config.json says in the words that Llama and those after it share. */
export function readShared(family: string, ask: ConfigQuestions, defaults: Defaults): DecoderConfig {
  const hf = ask.parse(fields)
  const { hidden_size: hiddenSize, num_attention_heads: heads } = hf
  const kvHeads = hf.num_key_value_heads ?? heads
  const headDim = hf.head_dim ?? defaults.headDim ?? hiddenSize / heads
  const contextLength = hf.max_position_embeddings ?? defaults.contextLength
  ask.must(heads % kvHeads === 0, `num_key_value_heads must divide the ${heads} attention heads`, kvHeads)
  ask.must(Number.isInteger(headDim) && headDim % 2 === 0, 'head_dim must be an even whole number', headDim)
  const activation = readActivation(ask, 'hidden_act', hf.hidden_activation ?? hf.hidden_act ?? defaults.activation ?? 'silu')
  const biases: LinearLayer[] = [
    ...(hf.attention_bias && defaults.mayHaveBiases ? (['q', 'k', 'v', 'o'] as const) : []),
    ...(hf.mlp_bias && defaults.mayHaveBiases === 'all' ? (['gate', 'up', 'down'] as const) : []),
  ]
  return {
    family,
    vocabSize: hf.vocab_size,
    hiddenSize,
    layers: hf.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: hf.intermediate_size,
    normEps: hf.rms_norm_eps ?? defaults.normEps,
    contextLength,
    tied: hf.tie_word_embeddings ?? defaults.tied,
    ...readRope(ask, hf, { theta: defaults.ropeTheta, headDim, contextLength, partial: defaults.partial ?? false }),
    ...(activation === 'silu' ? {} : { activation }),
    ...(biases.length > 0 ? { biases } : {}),
  }
}

export function writeShared(config: DecoderConfig): Record<string, unknown> {
  return {
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: activationName(config),
    rms_norm_eps: config.normEps,
    ...writeRope(config),
    max_position_embeddings: config.contextLength,
    tie_word_embeddings: config.tied,
    attention_bias: config.biases?.includes('o') ?? false,
  }
}

const activations: Record<string, Activation> = {
  silu: 'silu',
  gelu: 'gelu',
  gelu_new: 'geluTanh',
  gelu_fast: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
}

export function readActivation(ask: ConfigQuestions, field: string, name: string): Activation {
  ask.must(Object.hasOwn(activations, name), `${field} must be one of ${Object.keys(activations).join(', ')}`, name)
  return activations[name]!
}

export function activationName({ activation = 'silu' }: DecoderConfig): string {
  return { silu: 'silu', gelu: 'gelu', geluTanh: 'gelu_pytorch_tanh' }[activation]
}

const windowFields = z.looseObject({
  num_hidden_layers: layerCount,
  sliding_window: count.nullish(),
  layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
})

/** Which blocks see only a window: what `layer_types` says, or else `usual`. */
export function readWindow(
  ask: ConfigQuestions,
  usual: (layer: number) => boolean,
  defaultSize?: number,
): { readonly size: number; readonly layers: readonly number[] } | undefined {
  const { num_hidden_layers: n, sliding_window: size = defaultSize, layer_types: kinds } = ask.parse(windowFields)
  ask.must(!kinds || kinds.length === n, `layer_types must name the kind of ${n} layers`, kinds?.length)
  const layers = Array.from({ length: n }, (_, i) => i).filter((i) => (kinds ? kinds[i] === 'sliding_attention' : usual(i)))
  return size != null && layers.length > 0 ? { size, layers } : undefined
}

export function writeWindow({ window, layers }: DecoderConfig) {
  return {
    sliding_window: window?.size ?? null,
    layer_types: Array.from({ length: layers }, (_, i) => (window?.layers.includes(i) ? 'sliding_attention' : 'full_attention')),
  }
}

/** Tensors as Llama and most after it name them. */
export const llamaTensors = {
  'model.embed_tokens.weight': 'embed',
  'model.layers.*.input_layernorm.weight': 'blocks.*.attnNorm',
  'model.layers.*.self_attn.q_proj.weight': 'blocks.*.attn.q',
  'model.layers.*.self_attn.q_proj.bias': 'blocks.*.attn.qBias',
  'model.layers.*.self_attn.k_proj.weight': 'blocks.*.attn.k',
  'model.layers.*.self_attn.k_proj.bias': 'blocks.*.attn.kBias',
  'model.layers.*.self_attn.v_proj.weight': 'blocks.*.attn.v',
  'model.layers.*.self_attn.v_proj.bias': 'blocks.*.attn.vBias',
  'model.layers.*.self_attn.o_proj.weight': 'blocks.*.attn.o',
  'model.layers.*.self_attn.o_proj.bias': 'blocks.*.attn.oBias',
  'model.layers.*.self_attn.q_norm.weight': 'blocks.*.attn.qNorm',
  'model.layers.*.self_attn.k_norm.weight': 'blocks.*.attn.kNorm',
  'model.layers.*.post_attention_layernorm.weight': 'blocks.*.mlpNorm',
  'model.layers.*.mlp.gate_proj.weight': 'blocks.*.mlp.gate',
  'model.layers.*.mlp.gate_proj.bias': 'blocks.*.mlp.gateBias',
  'model.layers.*.mlp.up_proj.weight': 'blocks.*.mlp.up',
  'model.layers.*.mlp.up_proj.bias': 'blocks.*.mlp.upBias',
  'model.layers.*.mlp.down_proj.weight': 'blocks.*.mlp.down',
  'model.layers.*.mlp.down_proj.bias': 'blocks.*.mlp.downBias',
  'model.norm.weight': 'norm',
  'lm_head.weight': 'head',
} as const

/** The same where attention and MLP are normed afterwards, too or only. */
export const sandwichTensors = {
  ...llamaTensors,
  'model.layers.*.post_attention_layernorm.weight': 'blocks.*.attnPostNorm',
  'model.layers.*.pre_feedforward_layernorm.weight': 'blocks.*.mlpNorm',
  'model.layers.*.post_feedforward_layernorm.weight': 'blocks.*.mlpPostNorm',
} as const
