import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type DecoderConfig, readConfig, writeConfig } from './config.ts'

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

describe('readConfig', () => {
  it('reads what writeConfig wrote', () => {
    fc.assert(
      fc.property(config, (given) => {
        expect(readConfig('config.json', JSON.parse(JSON.stringify(writeConfig(given))))).toEqual(given)
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
    ['a mistral without a window', { model_type: 'mistral', sliding_window: null }, { family: 'llama' }],
    ['heads wider than the model', { head_dim: 128 }, { headDim: 128 }],
  ])('takes %s', (_, change, says) => {
    expect(readConfig('config.json', { ...smol, ...change })).toMatchObject(says)
  })

  it.each<[string, object, string]>([
    ['another architecture', { model_type: 'gpt2' }, 'model_type must be "llama", or "mistral" without a sliding window, got "gpt2"'],
    ['no architecture', { model_type: undefined }, 'model_type: expected string, got nothing'],
    ['a sliding window', { model_type: 'mistral', sliding_window: 4096 }, 'sliding_window of a mistral must be null, got 4096'],
    ['a mistral whose window is the default', { model_type: 'mistral' }, 'sliding_window of a mistral must be null, got nothing'],
    [
      'scaled positions',
      { rope_scaling: { rope_type: 'llama3', factor: 8 } },
      'rope_scaling must be null or of type "default", got {"rope_type":"llama3"',
    ],
    ['positions scaled the older way', { rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling must be null'],
    ['scaled positions of transformers 5', { rope_parameters: { rope_type: 'yarn' } }, 'rope_parameters must be null or of type "default"'],
    ['partly rotated heads', { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }, 'partial_rotary_factor must be 1'],
    ['attention biases', { attention_bias: true }, 'attention_bias must be false, got true'],
    ['other biases', { mlp_bias: true }, 'mlp_bias must be false, got true'],
    ['another activation', { hidden_act: 'gelu' }, 'hidden_act must be "silu", got "gelu"'],
    ['quantised weights', { quantization_config: { bits: 4 } }, 'weights must not be quantised, got {"bits":4}'],
    ['heads that do not divide', { num_key_value_heads: 2 }, 'num_key_value_heads must divide the 9 attention heads, got 2'],
    ['an odd head', { num_attention_heads: 576, num_key_value_heads: 576 }, 'head_dim must be an even whole number, got 1'],
    ['a size that is text', { hidden_size: '576' }, 'hidden_size: expected number, got "576"'],
    ['no layers', { num_hidden_layers: 0 }, 'num_hidden_layers: Too small: expected number to be >0, got 0'],
  ])('refuses %s', (_, change, says) => {
    const refused = () => readConfig('config.json', { ...smol, ...change })
    expect(refused).toThrow(UserError)
    expect(refused).toThrow(`config.json: ${says}`)
    expect(refused).toThrow('; choose a checkpoint of the Llama family')
  })
})
