import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type DecoderConfig, readConfig, writeConfig } from './config.ts'
import { families } from './families/index.ts'

const count = fc.integer({ min: 1, max: 64 })
const config: fc.Arbitrary<DecoderConfig> = fc
  .record({ vocabSize: count, hiddenSize: count, layers: count, kvHeads: count, groups: count, halfHead: count, intermediateSize: count })
  .chain(({ groups, halfHead, ...shape }) =>
    fc.record({
      family: fc.constant('llama' as const),
      ...(Object.fromEntries(Object.entries(shape).map(([k, v]) => [k, fc.constant(v)])) as {
        [K in keyof typeof shape]: fc.Arbitrary<number>
      }),
      heads: fc.constant(shape.kvHeads * groups),
      headDim: fc.constant(2 * halfHead),
      normEps: fc.double({ min: 1e-12, max: 1e-3, noNaN: true }),
      ropeTheta: fc.double({ min: 1, max: 1e7, noNaN: true }),
      contextLength: count,
      tied: fc.boolean(),
    }),
  )

const smol = {
  model_type: 'llama',
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  max_position_embeddings: 8192,
  tie_word_embeddings: true,
}

const layers = Array.from({ length: 30 }, (_, i) => i)

describe('readConfig', () => {
  it('reads what writeConfig wrote', () => {
    fc.assert(
      fc.property(config, (given) => {
        expect(readConfig('config.json', JSON.parse(JSON.stringify(writeConfig(given))))).toEqual(given)
      }),
    )
  })

  const factor = fc.double({ min: 1, max: 64, noNaN: true })
  const variants = fc.record({
    num_hidden_layers: fc.integer({ min: 1, max: 12 }),
    sliding_window: fc.option(count),
    use_sliding_window: fc.boolean(),
    max_window_layers: fc.integer({ min: 0, max: 12 }),
    attention_bias: fc.boolean(),
    mlp_bias: fc.boolean(),
    tie_word_embeddings: fc.boolean(),
    hidden_act: fc.constantFrom('silu', 'gelu', 'gelu_new'),
    final_logit_softcapping: fc.option(factor),
    query_pre_attn_scalar: fc.integer({ min: 1, max: 1000 }),
    rope_scaling: fc.oneof(
      fc.constant(null),
      fc.record({ type: fc.constant('linear'), factor }),
      fc.record({
        rope_type: fc.constant('llama3'),
        factor,
        low_freq_factor: factor,
        high_freq_factor: factor,
        original_max_position_embeddings: count,
      }),
    ),
  })
  it.each(Object.keys(families))('reads what writeConfig wrote of a %s', (model_type) => {
    fc.assert(
      fc.property(variants, (some) => {
        const { num_hidden_layers: n_layer } = some
        const config = readConfig('config.json', { ...smol, n_embd: 32, n_head: 4, n_layer, ...some, model_type })
        expect(readConfig('config.json', JSON.parse(JSON.stringify(writeConfig(config))))).toEqual(config)
      }),
    )
  })

  it('fills in the defaults of transformers', () => {
    const { num_key_value_heads, rms_norm_eps, rope_theta, max_position_embeddings, tie_word_embeddings, ...bare } = smol
    expect(readConfig('config.json', bare)).toMatchObject({
      kvHeads: 9, headDim: 64, normEps: 1e-6, ropeTheta: 10000, contextLength: 2048, tied: false,
    }) // biome-ignore format: the defaults at a glance
  })

  it.each<[string, object, object]>([
    ['null rope scaling', { rope_scaling: null }, { ropeTheta: 100000 }],
    ['default rope scaling', { rope_scaling: { rope_type: 'default' } }, { ropeTheta: 100000 }],
    [
      'rope parameters of transformers 5',
      { rope_theta: undefined, rope_parameters: { rope_type: 'default', rope_theta: 5e5 } },
      { ropeTheta: 5e5 },
    ],
    ['a mistral without a window', { model_type: 'mistral', sliding_window: null }, { family: 'mistral' }],
    ['a mistral whose window is the default', { model_type: 'mistral' }, { window: { size: 4096, layers: layers } }],
    [
      'angles stretched evenly, the older way',
      { rope_scaling: { type: 'linear', factor: 2 } },
      { ropeTheta: 100000, ropeScaling: { kind: 'linear', factor: 2 } },
    ],
    [
      'yarn without its own factor of cosine and sine',
      { rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 2048 } },
      { ropeScaling: { kind: 'yarn', factor: 4, fast: 32, slow: 1, original: 2048, attention: 0.1 * Math.log(4) + 1, whole: true } },
    ],
    [
      'both spellings of the angles: rope_scaling alone, with the base beside it',
      { rope_theta: 700, rope_parameters: { rope_type: 'default', rope_theta: 500 }, rope_scaling: { rope_type: 'linear', factor: 4 } },
      { ropeTheta: 700, ropeScaling: { kind: 'linear', factor: 4 } },
    ],
    [
      'both spellings without a base beside them: the default',
      { rope_theta: undefined, rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 500 }, rope_scaling: { type: 'default' } },
      { ropeTheta: 10000, ropeScaling: undefined },
    ],
    [
      'an empty rope_scaling as none',
      { rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 500 }, rope_scaling: {} },
      { ropeTheta: 500, ropeScaling: { kind: 'linear', factor: 4 } },
    ],
    [
      'an original context beside the scaling before one inside it',
      {
        original_max_position_embeddings: 24,
        rope_scaling: { rope_type: 'llama3', factor: 4, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 48 },
      },
      { ropeScaling: { kind: 'llama3', factor: 4, low: 1, high: 4, original: 24 } },
    ],
    [
      'a gemma3 with both spellings: rope_scaling over full_attention',
      {
        model_type: 'gemma3_text',
        rope_parameters: { full_attention: { rope_type: 'linear', factor: 8, rope_theta: 5e5 }, sliding_attention: { rope_theta: 5e3 } },
        rope_scaling: { rope_type: 'linear', factor: 2 },
        sliding_window_pattern: 30,
      },
      { ropeTheta: 5e5, ropeScaling: { kind: 'linear', factor: 2 }, window: { size: 4096, layers: layers.slice(0, 29), ropeTheta: 5e3 } },
    ],
    ['attention biases', { attention_bias: true }, { biases: ['q', 'k', 'v', 'o'] }],
    ['a qwen2 with a window it does not use', { model_type: 'qwen2', sliding_window: 4096 }, { window: undefined }],
    [
      'a qwen2 with a window in its last layers',
      { model_type: 'qwen2', sliding_window: 4096, use_sliding_window: true, max_window_layers: 28 },
      { window: { size: 4096, layers: [28, 29] } },
    ],
    [
      'a smollm3 whose unrotated layers have a window',
      { model_type: 'smollm3', no_rope_layer_interval: 10, sliding_window: 512, use_sliding_window: true },
      { unrotated: [9, 19, 29], window: { size: 512, layers: [9, 19, 29] } },
    ],
    [
      'a gemma3 as transformers 4 wrote it',
      { model_type: 'gemma3_text', sliding_window: 512, sliding_window_pattern: 15, rope_local_base_freq: 5000 },
      { ropeTheta: 100000, window: { size: 512, layers: layers.filter((i) => i !== 14 && i !== 29), ropeTheta: 5000 } },
    ],
    ['a gemma2 without its caps', { model_type: 'gemma2', attn_logit_softcapping: null }, { scoreCap: undefined, logitCap: 30 }],
    [
      'a gpt_neox that says nothing of its rotation',
      { model_type: 'gpt_neox', rope_theta: undefined },
      { ropeTheta: 10000, rotaryDim: 16 },
    ],
    ['heads wider than the model', { head_dim: 128 }, { headDim: 128 }],
  ])('takes %s', (_, change, says) => {
    const read = readConfig('config.json', { ...smol, ...change })
    expect(read).toEqual({ ...read, ...says })
  })

  it.each<[string, object, string]>([
    ['another architecture', { model_type: 'mamba' }, 'model_type must be one of llama, mistral, smollm3, qwen2, qwen3, gemma2, '],
    ['no architecture', { model_type: undefined }, 'model_type: expected string, got nothing'],
    ['a name that every object has', { model_type: 'toString' }, 'model_type must be one of llama'],
    [
      'angles that depend on the length',
      { rope_scaling: { type: 'dynamic', factor: 8 } },
      'rope_scaling must be of type default, linear, llama3 or yarn, got {"type":"dynamic"',
    ],
    [
      'longrope',
      { model_type: 'phi3', rope_parameters: { rope_type: 'longrope' } },
      'rope_parameters must be of type default, linear, llama3 or yarn, got {"rope_type":"longrope"',
    ],
    [
      'what phi3 calls yarn',
      { model_type: 'phi3', rope_scaling: { type: 'yarn', factor: 2 } },
      'rope_scaling of a phi3 must be of type default, linear or llama3, got "yarn"',
    ],
    [
      'angles of a gemma3 that do not say of which blocks',
      { model_type: 'gemma3_text', rope_parameters: { rope_type: 'linear', factor: 8 } },
      'rope_parameters must have full_attention and sliding_attention, got {"rope_type":"linear"',
    ],
    ['scaled positions without a factor', { rope_scaling: { rope_type: 'llama3' } }, 'rope_scaling.factor must be a number, got nothing'],
    [
      'a factor of zero',
      { rope_scaling: { rope_type: 'linear', factor: 0 } },
      'rope_scaling.factor: Too small: expected number to be >0, got 0',
    ],
    ['partly rotated heads', { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }, 'partial_rotary_factor must be 1'],
    [
      'scores scaled by the layer',
      { model_type: 'gpt2', n_embd: 8, n_head: 2, n_layer: 1, scale_attn_by_inverse_layer_idx: true },
      'scale_attn_by_inverse_layer_idx must be false, got true',
    ],
    [
      'kinds for some layers only',
      { model_type: 'gemma2', layer_types: ['full_attention'] },
      'layer_types must name the kind of 30 layers, got 1',
    ],
    ['a kind of layer that is not built', { model_type: 'gemma2', layer_types: ['chunked_attention'] }, 'layer_types.0: '],
    [
      'another activation',
      { hidden_act: 'relu' },
      'hidden_act must be one of silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, got "relu"',
    ],
    ['quantised weights', { quantization_config: { bits: 4 } }, 'weights must not be quantised, got {"bits":4}'],
    ['heads that do not divide', { num_key_value_heads: 2 }, 'num_key_value_heads must divide the 9 attention heads, got 2'],
    ['an odd head', { num_attention_heads: 576, num_key_value_heads: 576 }, 'head_dim must be an even whole number, got 1'],
    ['a size that is text', { hidden_size: '576' }, 'hidden_size: expected number, got "576"'],
    [
      'more layers than any model has',
      { num_hidden_layers: 20_000_000 },
      'num_hidden_layers: Too big: expected number to be <=10000, got 20000000',
    ],
    ['no layers', { num_hidden_layers: 0 }, 'num_hidden_layers: Too small: expected number to be >0, got 0'],
  ])('refuses %s', (_, change, says) => {
    const refused = () => readConfig('config.json', { ...smol, ...change })
    expect(refused).toThrow(UserError)
    expect(refused).toThrow(`config.json: ${says}`)
    expect(refused).toThrow('; choose another checkpoint')
  })
})
