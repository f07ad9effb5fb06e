import { expect, it } from 'vitest'
import { isTensor, leaves } from '../graph/index.ts'
import { readConfig } from './config.ts'
import { freshParams } from './fresh.ts'

const config = readConfig('config.json', {
  model_type: 'llama',
  vocab_size: 300,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  tie_word_embeddings: false,
})
const named = (seed: number) => leaves(freshParams(config, seed), isTensor)

it('are normal with the deviation that GPT-2 gives each matrix, and norms are 1', () => {
  let norms = 0
  for (const [path, { data, shape }] of named(0)) {
    if (shape.length === 1) {
      norms++
      expect(new Set(data), path).toEqual(new Set([1]))
      continue
    }
    const sd = /attn\.o$|mlp\.down$/.test(path) ? 0.02 / Math.sqrt(6) : 0.02
    const unit = Array.from(data, (x) => x / sd)
    const moment = (k: number) => unit.reduce((sum, x) => sum + x ** k, 0) / unit.length
    // Four standard errors of the mean, the variance and the fourth moment of a normal.
    const within = (sdOfOne: number) => (4 * sdOfOne) / Math.sqrt(unit.length)
    expect(Math.abs(moment(1)), path).toBeLessThan(within(1))
    expect(Math.abs(moment(2) - 1), path).toBeLessThan(within(Math.sqrt(2)))
    expect(Math.abs(moment(4) - 3), path).toBeLessThan(within(Math.sqrt(96)))
    const next = unit.slice(1).reduce((sum, x, i) => sum + x * unit[i]!, 0) / unit.length
    expect(Math.abs(next), path).toBeLessThan(within(1))
  }
  expect(norms).toBe(7)
})

it('are the same for a seed, and others for another seed and layer', () => {
  expect(named(1)).toEqual(named(1))
  const first = (seed: number, path: string) =>
    named(seed)
      .find(([name]) => name === path)![1]
      .data.slice(0, 8)
  expect(first(1, 'blocks.0.attn.q')).not.toEqual(first(2, 'blocks.0.attn.q'))
  expect(first(1, 'blocks.0.attn.q')).not.toEqual(first(1, 'blocks.1.attn.q'))
})
