import { UserError } from '../../graph/errors.ts'
import type { Tensor } from '../../graph/tensor.ts'
import type { GgufValue } from './header.ts'
import { fromPairs, regroupQkv, subtractOne, transpose } from './layouts.ts'
import { ropeScaling } from './rope.ts'

/** The metadata of one file as its architecture's config reads it. */
export interface Keys {
  /** Leads the errors. */
  readonly file: string
  /** A number under `<architecture>.<key>`; throws UserError when it is not there and nothing stands in. */
  number(key: string, otherwise?: number): number
  /** Any value under `<architecture>.<key>`. */
  get(key: string): GgufValue | undefined
  /** A tensor by its name in the file, for the few settings that lie among the weights. */
  tensor(name: string): Tensor | undefined
}

/** How one architecture of llama.cpp is called, and laid out, by Hugging Face. */
export interface Architecture {
  /** model_type of config.json. */
  readonly modelType: string
  readonly classes: string
  /** Outside the blocks: name in the file → name of the module. */
  readonly outer: Readonly<Record<string, string>>
  /** Inside them: after `blk.N.` → after `<blocks>.N.`. */
  readonly blocks: string
  readonly block: Readonly<Record<string, string>>
  /** Fields of config.json besides those that `config` of every architecture has. */
  config(keys: Keys): Record<string, unknown>
  /** From the layout in the file to that of Hugging Face, by the name in the block. */
  readonly layout?: (name: string, tensor: Tensor, keys: Keys) => Tensor
}

const llamaOuter = { token_embd: 'model.embed_tokens', output_norm: 'model.norm', output: 'lm_head' }
const attention = { attn_q: 'self_attn.q_proj', attn_k: 'self_attn.k_proj', attn_v: 'self_attn.v_proj', attn_output: 'self_attn.o_proj' }
const gated = { ffn_gate: 'mlp.gate_proj', ffn_up: 'mlp.up_proj', ffn_down: 'mlp.down_proj' }
const before = { attn_norm: 'input_layernorm', ffn_norm: 'post_attention_layernorm' }
const headNorms = { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' }
const sandwich = {
  attn_norm: 'input_layernorm',
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
}

/** Sizes as all of the newer architectures spell them; unless only a `part` of a head may be rotated, all of it is. */
function sizes(keys: Keys, part: 'whole' | 'part' = 'whole') {
  const hidden = keys.number('embedding_length')
  const heads = keys.number('attention.head_count')
  const rotated = keys.get('rope.dimension_count')
  const headDim = keys.number('attention.key_length', part === 'whole' && typeof rotated === 'number' ? rotated : hidden / heads)
  if (part === 'whole' && rotated !== undefined && rotated !== headDim)
    throw new UserError(`${keys.file}: rope.dimension_count must be the ${headDim} numbers of a head, got ${rotated}; choose another model`)
  const base = keys.number('rope.freq_base', 10_000)
  return {
    hidden_size: hidden,
    num_hidden_layers: keys.number('block_count'),
    intermediate_size: keys.number('feed_forward_length'),
    num_attention_heads: heads,
    num_key_value_heads: keys.number('attention.head_count_kv', heads),
    head_dim: headDim,
    max_position_embeddings: keys.number('context_length'),
    rms_norm_eps: keys.number('attention.layer_norm_rms_epsilon'),
    rope_theta: base,
    rope_scaling: ropeScaling(keys, headDim, base),
  }
}

const gemma = (keys: Keys, largest: number) => {
  const known = sizes(keys)
  // The largest model of each generation scales by its width per head instead of the head's dimension.
  const scalar = known.num_hidden_layers === largest ? known.hidden_size / known.num_attention_heads : known.head_dim
  return {
    ...known,
    query_pre_attn_scalar: scalar,
    sliding_window: keys.number('attention.sliding_window'),
    attn_logit_softcapping: keys.get('attn_logit_softcapping') ?? null,
    final_logit_softcapping: keys.get('final_logit_softcapping') ?? null,
    hidden_activation: 'gelu_pytorch_tanh',
  }
}
const isNorm = (name: string) => name.endsWith('norm')

/** The architectures that are read, by the name that llama.cpp gives them. */
export const architectures: Readonly<Record<string, Architecture>> = {
  llama: {
    modelType: 'llama',
    classes: 'LlamaForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: { ...attention, ...gated, ...before },
    config: (keys) => ({ ...sizes(keys), hidden_act: 'silu' }),
    layout(name, tensor, keys) {
      const heads = keys.number('attention.head_count')
      if (name === 'attn_q') return fromPairs(tensor, heads, keys.file)
      return name === 'attn_k' ? fromPairs(tensor, keys.number('attention.head_count_kv', heads), keys.file) : tensor
    },
  },
  qwen2: {
    modelType: 'qwen2',
    classes: 'Qwen2ForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: { ...attention, ...gated, ...before },
    config: (keys) => ({ ...sizes(keys), hidden_act: 'silu', use_sliding_window: false }),
  },
  qwen3: {
    modelType: 'qwen3',
    classes: 'Qwen3ForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: { ...attention, ...gated, ...before, ...headNorms },
    config: (keys) => ({ ...sizes(keys), hidden_act: 'silu', use_sliding_window: false }),
  },
  olmo2: {
    modelType: 'olmo2',
    classes: 'Olmo2ForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: {
      ...attention,
      ...gated,
      ...headNorms,
      post_attention_norm: 'post_attention_layernorm',
      post_ffw_norm: 'post_feedforward_layernorm',
    },
    config: (keys) => ({ ...sizes(keys), hidden_act: 'silu' }),
  },
  phi3: {
    modelType: 'phi3',
    classes: 'Phi3ForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: {
      ...before,
      attn_qkv: 'self_attn.qkv_proj',
      attn_output: 'self_attn.o_proj',
      ffn_up: 'mlp.gate_up_proj',
      ffn_down: 'mlp.down_proj',
    },
    config(keys) {
      const { rope_scaling: usual, head_dim: headDim, ...known } = sizes(keys, 'part')
      const short = keys.tensor('rope_factors_short.weight')
      const long = keys.tensor('rope_factors_long.weight')
      const original = keys.number('rope.scaling.original_context_length', known.max_position_embeddings)
      return {
        ...known,
        hidden_act: 'silu',
        partial_rotary_factor: keys.number('rope.dimension_count', headDim) / headDim,
        sliding_window: keys.get('attention.sliding_window') ?? null,
        original_max_position_embeddings: original,
        rope_scaling: short && long ? { type: 'longrope', short_factor: [...short.data], long_factor: [...long.data] } : usual,
      }
    },
  },
  gemma2: {
    modelType: 'gemma2',
    classes: 'Gemma2ForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: { ...attention, ...gated, ...sandwich },
    config: (keys) => gemma(keys, 46),
    layout: (name, tensor) => (isNorm(name) ? subtractOne(tensor) : tensor),
  },
  gemma3: {
    modelType: 'gemma3_text',
    classes: 'Gemma3ForCausalLM',
    outer: llamaOuter,
    blocks: 'model.layers',
    block: { ...attention, ...gated, ...sandwich, ...headNorms },
    config: (keys) => ({
      ...gemma(keys, 62),
      rope_local_base_freq: keys.number('rope.freq_base_swa', 10_000),
      sliding_window_pattern: keys.number('attention.sliding_window_pattern', 6),
    }),
    layout: (name, tensor) => (isNorm(name) ? subtractOne(tensor) : tensor),
  },
  gpt2: {
    modelType: 'gpt2',
    classes: 'GPT2LMHeadModel',
    outer: { token_embd: 'transformer.wte', position_embd: 'transformer.wpe', output_norm: 'transformer.ln_f', output: 'lm_head' },
    blocks: 'transformer.h',
    block: {
      ...{ attn_norm: 'ln_1', attn_qkv: 'attn.c_attn', attn_output: 'attn.c_proj', ffn_norm: 'ln_2' },
      ...{ ffn_up: 'mlp.c_fc', ffn_down: 'mlp.c_proj' },
    },
    config: (keys) => ({
      n_embd: keys.number('embedding_length'),
      n_layer: keys.number('block_count'),
      n_head: keys.number('attention.head_count'),
      n_positions: keys.number('context_length'),
      n_inner: keys.number('feed_forward_length'),
      layer_norm_epsilon: keys.number('attention.layer_norm_epsilon'),
      activation_function: 'gelu_new',
    }),
    // GPT-2's linear layers are [in, out].
    layout: (name, tensor) => (tensor.shape.length === 2 && /^(attn_|ffn_)/.test(name) ? transpose(tensor) : tensor),
  },
  gptneox: {
    modelType: 'gpt_neox',
    classes: 'GPTNeoXForCausalLM',
    outer: { token_embd: 'gpt_neox.embed_in', output_norm: 'gpt_neox.final_layer_norm', output: 'embed_out' },
    blocks: 'gpt_neox.layers',
    block: {
      ...{ attn_norm: 'input_layernorm', attn_qkv: 'attention.query_key_value', attn_output: 'attention.dense' },
      ...{ ffn_norm: 'post_attention_layernorm', ffn_up: 'mlp.dense_h_to_4h', ffn_down: 'mlp.dense_4h_to_h' },
    },
    config(keys) {
      const hidden = keys.number('embedding_length')
      const heads = keys.number('attention.head_count')
      return {
        hidden_size: hidden,
        num_hidden_layers: keys.number('block_count'),
        intermediate_size: keys.number('feed_forward_length'),
        num_attention_heads: heads,
        max_position_embeddings: keys.number('context_length'),
        layer_norm_eps: keys.number('attention.layer_norm_epsilon'),
        rotary_pct: keys.number('rope.dimension_count', hidden / heads) / (hidden / heads),
        rotary_emb_base: keys.number('rope.freq_base', 10_000),
        use_parallel_residual: keys.get('use_parallel_residual') ?? true,
        hidden_act: 'gelu',
      }
    },
    layout: (name, tensor, keys) => (name === 'attn_qkv' ? regroupQkv(tensor, keys.number('attention.head_count'), keys.file) : tensor),
  },
}

/** Tensors that are settings, read by `config`. */
const settings = new Set(['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight'])

/** The Hugging Face name of a tensor, the part of its name that `layout` goes by, or 'setting'; nothing for an unknown one. */
export function nameOf(architecture: Architecture, name: string): { readonly name: string; readonly part: string } | 'setting' | undefined {
  if (settings.has(name)) return 'setting'
  const [, layer, part, kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? []
  if (part === undefined) return undefined
  const table = layer === undefined ? architecture.outer : architecture.block
  const module = Object.hasOwn(table, part) ? table[part] : undefined
  if (module === undefined) return undefined
  return { name: layer === undefined ? `${module}.${kind}` : `${architecture.blocks}.${Number(layer)}.${module}.${kind}`, part }
}
