import { z } from 'zod'
import { activationName, count, type Family, layerCount, readActivation } from './family.ts'
import { readRope, ropeFields, writeScaling } from './rope.ts'

const fields = ropeFields.extend({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  layer_norm_eps: z.number().positive().default(1e-5),
  max_position_embeddings: count.default(2048),
  tie_word_embeddings: z.boolean().nullish(),
  hidden_act: z.string().default('gelu'),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  rotary_emb_base: z.number().positive().nullish(),
  rotary_pct: z.number().positive().max(1).nullish(),
})

const queries = ['blocks.*.attn.q', 'blocks.*.attn.k', 'blocks.*.attn.v']

/**
 * GPT-NeoX and Pythia: attention and MLP read the same x side by side, a quarter of each head is rotated, LayerNorm, biases, no gate.
 *
 * source  Black et al. 2022, arXiv:2204.06745; Biderman et al. 2023, arXiv:2304.01373
 */
export const gptNeox: Family = {
  architecture: 'GPTNeoXForCausalLM',
  read(ask) {
    const hf = ask.parse(fields)
    const { hidden_size: hiddenSize, num_attention_heads: heads, max_position_embeddings: contextLength } = hf
    const headDim = hiddenSize / heads
    ask.must(Number.isInteger(headDim), `num_attention_heads must divide hidden_size, ${hiddenSize}`, heads)
    const old = {
      ...hf,
      rope_theta: hf.rotary_emb_base ?? hf.rope_theta,
      partial_rotary_factor: hf.rotary_pct ?? hf.partial_rotary_factor ?? 0.25,
    }
    return {
      family: 'gpt_neox',
      vocabSize: hf.vocab_size,
      hiddenSize,
      layers: hf.num_hidden_layers,
      heads,
      kvHeads: heads,
      headDim,
      intermediateSize: hf.intermediate_size,
      normEps: hf.layer_norm_eps,
      contextLength,
      tied: hf.tie_word_embeddings ?? false,
      ...readRope(ask, old, { theta: 10_000, headDim, contextLength, partial: true }),
      norm: 'layer',
      biases: hf.attention_bias ? ['q', 'k', 'v', 'o', 'up', 'down'] : ['up', 'down'],
      activation: readActivation(ask, 'hidden_act', hf.hidden_act),
      gated: false,
      parallel: hf.use_parallel_residual,
    }
  },
  write: (config) => ({
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    layer_norm_eps: config.normEps,
    max_position_embeddings: config.contextLength,
    tie_word_embeddings: config.tied,
    hidden_act: activationName(config),
    use_parallel_residual: config.parallel ?? false,
    attention_bias: config.biases?.includes('o') ?? false,
    rotary_emb_base: config.ropeTheta,
    rotary_pct: (config.rotaryDim ?? config.headDim) / config.headDim,
    rope_scaling: writeScaling(config.ropeScaling),
  }),
  base: 'gpt_neox.',
  tensors: {
    'gpt_neox.embed_in.weight': 'embed',
    'gpt_neox.layers.*.input_layernorm.weight': 'blocks.*.attnNorm',
    'gpt_neox.layers.*.input_layernorm.bias': 'blocks.*.attnNormBias',
    'gpt_neox.layers.*.attention.query_key_value.weight': { paths: queries, byHead: true },
    'gpt_neox.layers.*.attention.query_key_value.bias': { paths: queries.map((path) => `${path}Bias`), byHead: true },
    'gpt_neox.layers.*.attention.dense.weight': 'blocks.*.attn.o',
    'gpt_neox.layers.*.attention.dense.bias': 'blocks.*.attn.oBias',
    'gpt_neox.layers.*.post_attention_layernorm.weight': 'blocks.*.mlpNorm',
    'gpt_neox.layers.*.post_attention_layernorm.bias': 'blocks.*.mlpNormBias',
    'gpt_neox.layers.*.mlp.dense_h_to_4h.weight': 'blocks.*.mlp.up',
    'gpt_neox.layers.*.mlp.dense_h_to_4h.bias': 'blocks.*.mlp.upBias',
    'gpt_neox.layers.*.mlp.dense_4h_to_h.weight': 'blocks.*.mlp.down',
    'gpt_neox.layers.*.mlp.dense_4h_to_h.bias': 'blocks.*.mlp.downBias',
    'gpt_neox.final_layer_norm.weight': 'norm',
    'gpt_neox.final_layer_norm.bias': 'normBias',
    'embed_out.weight': 'head',
  },
  ignored: /\.attention\.(masked_bias|bias|rotary_emb\.inv_freq)$/,
}
