import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { ancestors, input } from '../graph/index.ts'
import { type DecoderConfig, readConfig, writeConfig } from './config.ts'
import { frequency, rotations, tableLength } from './rotary.ts'

const golden = JSON.parse(readFileSync('fixtures/rope/golden.json', 'utf8')) as Record<
  string,
  { rope_parameters: { rope_theta: number }; frequencies: number[]; factor: number }
>
const llama = {
  ...{ model_type: 'llama', vocab_size: 64, hidden_size: 128, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2 },
  ...{ head_dim: 64, max_position_embeddings: 131_072 },
}

describe.each(Object.entries(golden))('rotary positions: %s', (_, { rope_parameters, frequencies, factor }) => {
  const { rope_theta: theta, ...scaling } = rope_parameters
  const config = readConfig('config.json', { ...llama, rope_parameters })

  it('frequencies as transformers has them (golden file by oracle/)', () => {
    const ours = frequencies.map((_, i) => frequency(i, 64, config.ropeTheta!, config.ropeScaling))
    expectClose(
      ours.map((x, i) => x / frequencies[i]!),
      frequencies.map(() => 1),
      tolerances.portable,
      'frequencies, relative',
    )
    expect((config.ropeScaling as { attention?: number }).attention ?? 1).toBeCloseTo(factor, 12)
  })

  it('reads the spelling of transformers 4, and what it wrote itself', () => {
    expect(readConfig('config.json', { ...llama, rope_theta: theta, rope_scaling: scaling })).toEqual(config)
    expect(readConfig('config.json', JSON.parse(JSON.stringify(writeConfig(config))))).toEqual(config)
  })
})

it('a table of angles is as long for all small graphs, and never longer than the context', () => {
  const lengths = (contextLength: number) =>
    [1, 64, 4096, 4097, 10_000, 131_072].map((columns) => tableLength(columns, { contextLength } as DecoderConfig))
  expect(lengths(256)).toEqual([256, 256, 256, 256, 256, 256])
  expect(lengths(131_072)).toEqual([4096, 4096, 4096, 8192, 16_384, 131_072])
  const { cos } = rotations(input('positions', [1, 8], 'i32'), 16, readConfig('config.json', llama), 10_000)
  expect(ancestors([cos]).find(({ op }) => op.name === 'table')!.shape).toEqual([16, 32])
})
