import { describe, expect, it } from 'vitest'
import { printGraph, stopGradient } from '../src/graph/index.ts'
import { type DecoderConfig, decoderParams, freshAdapters } from '../src/models/index.ts'
import { type CustomLoss, dpo } from '../src/objectives/index.ts'
import { policyOf } from '../src/policy/index.ts'
import { traceStep } from '../src/train/index.ts'

const config: DecoderConfig = {
  family: 'llama',
  vocabSize: 32000,
  hiddenSize: 288,
  layers: 6,
  heads: 6,
  kvHeads: 6,
  headDim: 48,
  intermediateSize: 768,
  normEps: 1e-5,
  ropeTheta: 10000,
  contextLength: 256,
  tied: true,
}

/** A DPO step as `train` traces it: 8 pairs in 8 rows. What only a run needs, the arrays' places in the engine, is left out. */
function trainingStep({ lora, loss }: { lora?: RegExp | undefined; loss?: CustomLoss } = {}) {
  const params = decoderParams(config, (_, shape) => ({ dtype: 'f32', shape, slot: {} }))
  const { scale, layers } = freshAdapters(config, { rank: 8, alpha: 16, seed: 0 })
  const placed = <T extends object>(part: T) => ({ ...part, slot: {} })
  const chosen = Object.entries(layers).flatMap(([path, part]) =>
    lora?.test(path) ? [[path, { a: placed(part.a), b: placed(part.b) }]] : [],
  )
  const adapters = lora ? { scale, layers: Object.fromEntries(chosen) } : undefined
  const policy = policyOf(undefined as never, config, params as never, adapters as never)
  const shape = { rows: 8, length: 192, wanted: 640, completions: 16 }
  const { graph, taps } = traceStep({ policy, objective: dpo(), shape, examples: 8, ...(loss ? { loss } : {}) })
  return { graph, taps: [...taps.keys()] }
}

describe.each([
  ['of every parameter', undefined],
  ['of adapters', /./],
])('a training step of a 6-layer Llama with the gradient %s, printed', (_, lora) => {
  const { graph, taps } = trainingStep({ lora })
  const text = printGraph(graph)
  const lines = text.trimEnd().split('\n')

  it('fits a screen', () => {
    expect(lines.length).toBeLessThan(66)
  })

  it('shows every tap, repeated blocks once', () => {
    expect(taps.length).toBe(2 + 6 * 15)
    expect(lines).toContain('  blocks.{0…5}  ×6')
    for (const tap of taps) {
      const shown = tap.replace(/^blocks\.\d+/, '')
      expect(
        lines.filter((line) => line.trim().split(' ')[0] === shown),
        tap,
      ).toHaveLength(1)
    }
  })

  it('shows every input and output, folded by path', () => {
    const shown = (name: string) =>
      lines.filter((line) => line.trim().split(' ')[0] === name).map((line) => line.trim().replace(/.* {2}/, ''))
    expect(shown('params.embed')).toEqual(['f32[32000, 288]'])
    expect(shown('params.blocks.{0…5}.attn.{q,k,v,o}')).toEqual(['f32[288, 288] ×24'])
    expect(shown('grad.params.blocks.{0…5}.attn.{q,k,v,o}')).toEqual(lora ? [] : ['f32[288, 288] ×24'])
    expect(shown('grad.lora.blocks.{0…5}.attn.{q,k,v,o}.a')).toEqual(lora ? ['f32[8, 288] ×24'] : [])
  })
})

it('a block that differs stands alone', () => {
  const text = printGraph(trainingStep({ lora: /^blocks\.3\./ }).graph)
  expect(text).toContain('blocks.{0…2}  ×3')
  expect(text).toMatch(/^ {2}blocks\.3$/m)
  expect(text).toContain('blocks.{4…5}  ×2')
})

it('a stop in a custom loss is listed with its place', () => {
  const text = printGraph(trainingStep({ loss: ({ objective, kl }) => objective.add(stopGradient(kl)) }).graph)
  expect(text).toMatch(/^gradient marks: 1\n {2}loss\.stopGradient {2}stop: the gradient is zero by declaration$/m)
})
