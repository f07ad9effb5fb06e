import type { Shape } from '../graph/tensor.ts'
import type { DecoderConfig } from './config.ts'

/** The parameters of a Llama: linear layers are [out, in], queries and keys are laid out for rotating halves. */
export interface DecoderParams<T> {
  readonly embed: T
  readonly blocks: readonly DecoderBlock<T>[]
  readonly norm: T
  /** Absent when the head is the embedding. */
  readonly head?: T
}

export interface DecoderBlock<T> {
  readonly attnNorm: T
  readonly attn: { readonly q: T; readonly k: T; readonly v: T; readonly o: T }
  readonly mlpNorm: T
  readonly mlp: { readonly gate: T; readonly up: T; readonly down: T }
}

/**
 * The parameters a config has, each made by one call with its Hugging Face name, its shape and its path (`blocks.3.attn.q`).
 * Everything that walks the parameters walks them here: reading, writing, shapes, random starts.
 */
export function decoderParams<T>(config: DecoderConfig, make: (name: string, shape: Shape, path: string) => T): DecoderParams<T> {
  const { vocabSize: V, hiddenSize: d, intermediateSize: f, headDim } = config
  const q = config.heads * headDim
  const kv = config.kvHeads * headDim
  const block = (i: number): DecoderBlock<T> => {
    const weight = (path: string, name: string, shape: Shape) => make(`model.layers.${i}.${name}.weight`, shape, `blocks.${i}.${path}`)
    return {
      attnNorm: weight('attnNorm', 'input_layernorm', [d]),
      attn: {
        q: weight('attn.q', 'self_attn.q_proj', [q, d]),
        k: weight('attn.k', 'self_attn.k_proj', [kv, d]),
        v: weight('attn.v', 'self_attn.v_proj', [kv, d]),
        o: weight('attn.o', 'self_attn.o_proj', [d, q]),
      },
      mlpNorm: weight('mlpNorm', 'post_attention_layernorm', [d]),
      mlp: {
        gate: weight('mlp.gate', 'mlp.gate_proj', [f, d]),
        up: weight('mlp.up', 'mlp.up_proj', [f, d]),
        down: weight('mlp.down', 'mlp.down_proj', [d, f]),
      },
    }
  }
  return {
    embed: make('model.embed_tokens.weight', [V, d], 'embed'),
    blocks: Array.from({ length: config.layers }, (_, i) => block(i)),
    norm: make('model.norm.weight', [d], 'norm'),
    ...(config.tied ? {} : { head: make('lm_head.weight', [V, d], 'head') }),
  }
}
