import { describe, expect, it } from 'vitest'
import {
  gradient,
  graph,
  input,
  isValue,
  leaves,
  logSigmoid,
  mean,
  printGraph,
  slice,
  stopGradient,
  type Tap,
  tap,
  type Value,
} from '../src/graph/index.ts'
import type { LlamaConfig } from '../src/models/config.ts'
import { byPath, completionLogps, llama, paramInputs, tokenLogps } from '../src/models/llama.ts'
import { llamaParams } from '../src/models/params.ts'
import { rowInputs } from '../src/models/policy.ts'

const config: LlamaConfig = {
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

/** One DPO training step as `train` traces it, and the names of its taps. */
function trainingStep(change: Tap = tap) {
  const taps: string[] = []
  const collect: Tap = (name, x) => {
    taps.push(name)
    return change(name, x)
  }
  const params = paramInputs(
    llamaParams(config, (_, shape) => ({ shape })),
    (path, shape) => input(`params.${path}`, shape),
  )
  const rows = rowInputs({ rows: 8, length: 192, wanted: 640, completions: 16 })
  const reference = input('reference', [16])
  const logps = completionLogps(
    tokenLogps(params, llama(params, rows, config, { tap: collect }), rows.wanted, rows.targets),
    rows.completion,
    rows.weights,
    16,
  )
  const ratios = logps.sub(reference)
  const margin = slice(ratios, 0, 0, 8).sub(slice(ratios, 0, 8, 16))
  const loss = mean(logSigmoid(margin.mul(0.1))).neg()
  const named = byPath(params)
  const slopes = leaves<Value>(gradient(loss, named), isValue)
  const inputs = Object.fromEntries(Object.entries(named).map(([path, value]) => [`params.${path}`, value]))
  const outputs = Object.fromEntries(slopes.map(([path, slope]) => [`grad.${path}`, slope]))
  return { traced: graph({ ...inputs, ...rows, reference }, { loss, margin, ...outputs }), taps }
}

describe('a training step of a 6-layer Llama with its gradient, printed', () => {
  const { traced, taps } = trainingStep()
  const text = printGraph(traced)
  const lines = text.trimEnd().split('\n')

  it('fits a screen', () => {
    expect(lines.length).toBeLessThan(60)
  })

  it('shows every tap, repeated blocks once', () => {
    expect(taps.length).toBe(2 + 6 * 11)
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
    const squared = 'f32[288, 288] ×24'
    expect(text).toMatch(/^ {2}params\.embed +f32\[32000, 288\]$/m)
    expect(lines.filter((line) => line.endsWith(squared)).map((line) => line.trim().split(' ')[0])).toEqual([
      'params.blocks.{0…5}.attn.{q,k,v,o}',
      'grad.blocks.{0…5}.attn.{q,k,v,o}',
    ])
  })

  it('a block that differs stands alone', () => {
    const patched = printGraph(trainingStep((name, x) => tap(name, name === 'blocks.3.mlp.out' ? stopGradient(x) : x)).traced)
    expect(patched).toContain('blocks.{0…2}  ×3')
    expect(patched).toMatch(/^ {2}blocks\.3$/m)
    expect(patched).toContain('blocks.{4…5}  ×2')
    expect(patched).toMatch(/gradient marks: 1\n {2}blocks\.3\.mlp\.out\.stopGradient +stop: the gradient is zero by declaration/)
  })
})
