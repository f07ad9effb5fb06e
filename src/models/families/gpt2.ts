import { z } from 'zod'
import { count, type Family, layerCount, readActivation } from './family.ts'

const fields = z.looseObject({
  vocab_size: count,
  n_embd: count,
  n_layer: layerCount,
  n_head: count,
  n_inner: count.nullish(),
  n_positions: count.default(1024),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  activation_function: z.string().default('gelu_new'),
  tie_word_embeddings: z.boolean().nullish(),
  scale_attn_weights: z.boolean().nullish(),
  scale_attn_by_inverse_layer_idx: z.boolean().nullish(),
  add_cross_attention: z.boolean().nullish(),
})

const both = (stored: string, path: string) => ({
  [`transformer.h.*.${stored}.weight`]: { paths: [`blocks.*.${path}`], transposed: true },
  [`transformer.h.*.${stored}.bias`]: `blocks.*.${path}Bias`,
})
const queries = ['blocks.*.attn.q', 'blocks.*.attn.k', 'blocks.*.attn.v']

/**
 * GPT-2: LayerNorm, learned positions, an MLP without a gate, biases everywhere; weights are stored [in, out].
 *
 * source  Radford et al. 2019, Language models are unsupervised multitask learners
 */
export const gpt2: Family = {
  architecture: 'GPT2LMHeadModel',
  read(ask) {
    const hf = ask.parse(fields)
    const headDim = hf.n_embd / hf.n_head
    ask.must(Number.isInteger(headDim), `n_head must divide n_embd, ${hf.n_embd}`, hf.n_head)
    ask.must(hf.scale_attn_weights !== false, 'scale_attn_weights must be true', hf.scale_attn_weights)
    ask.must(!hf.scale_attn_by_inverse_layer_idx, 'scale_attn_by_inverse_layer_idx must be false', hf.scale_attn_by_inverse_layer_idx)
    ask.must(!hf.add_cross_attention, 'add_cross_attention must be false', hf.add_cross_attention)
    return {
      family: 'gpt2',
      vocabSize: hf.vocab_size,
      hiddenSize: hf.n_embd,
      layers: hf.n_layer,
      heads: hf.n_head,
      kvHeads: hf.n_head,
      headDim,
      intermediateSize: hf.n_inner ?? 4 * hf.n_embd,
      normEps: hf.layer_norm_epsilon,
      contextLength: hf.n_positions,
      tied: hf.tie_word_embeddings ?? true,
      norm: 'layer',
      biases: ['q', 'k', 'v', 'o', 'up', 'down'],
      activation: readActivation(ask, 'activation_function', hf.activation_function),
      gated: false,
    }
  },
  write: (config) => ({
    vocab_size: config.vocabSize,
    n_embd: config.hiddenSize,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.intermediateSize,
    n_positions: config.contextLength,
    layer_norm_epsilon: config.normEps,
    activation_function: { silu: 'silu', gelu: 'gelu', geluTanh: 'gelu_new' }[config.activation!],
    tie_word_embeddings: config.tied,
  }),
  base: 'transformer.',
  tensors: {
    'transformer.wte.weight': 'embed',
    'transformer.wpe.weight': 'positions',
    'transformer.h.*.ln_1.weight': 'blocks.*.attnNorm',
    'transformer.h.*.ln_1.bias': 'blocks.*.attnNormBias',
    'transformer.h.*.attn.c_attn.weight': { paths: queries, transposed: true },
    'transformer.h.*.attn.c_attn.bias': { paths: queries.map((path) => `${path}Bias`) },
    ...both('attn.c_proj', 'attn.o'),
    'transformer.h.*.ln_2.weight': 'blocks.*.mlpNorm',
    'transformer.h.*.ln_2.bias': 'blocks.*.mlpNormBias',
    ...both('mlp.c_fc', 'mlp.up'),
    ...both('mlp.c_proj', 'mlp.down'),
    'transformer.ln_f.weight': 'norm',
    'transformer.ln_f.bias': 'normBias',
    'lm_head.weight': 'head',
  },
  ignored: /\.attn\.(masked_)?bias$/,
}
