import { describe, expect, it } from 'vitest'
import { openEngine } from '../engine/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type OnPolicy, type RecipeInput, recipe } from '../recipe/recipe.ts'
import { alignWork, estimate, trainWork } from './estimate.ts'
import { checkFits } from './memory-needs.ts'
import { throughputOf } from './throughput.ts'

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
  ropeTheta: 1e4,
  contextLength: 256,
  tied: true,
}
const tree = (prompt: number, ...completions: number[]) => ({
  prompt: new Array<number>(prompt).fill(1),
  completions: completions.map((n) => new Array<number>(n).fill(1)),
})
const made = (more: Partial<RecipeInput> = {}) =>
  recipe({
    model: 'M',
    prior: { goals: ['kind'], strength: 1 },
    preferences: { prompts: ['a'], perPrompt: 4, promptsPerRound: 10, maxTokens: 50, judge: { goals: { kind: 1 } } },
    look: { development: 5, sealed: 20 },
    ...more,
  })
const { train } = made()

describe('an estimate', () => {
  it('counts what is trained on, every epoch anew', () => {
    expect(trainWork({ ...train, epochs: 3 }, [tree(10, 4, 6), tree(20, 5, 5)])).toEqual({
      length: 25,
      sampled: 0,
      // The samples of a report.
      sampling: { rows: 8, from: 15, longest: 111 },
      scored: { positions: 50, wanted: 20 },
      trained: { positions: 150, wanted: 60 },
    })
  })

  it('counts what align samples, scores and trains on, at most', () => {
    const whole = made({ rounds: 2 })
    const prompts = Array.from({ length: 30 }, () => ({ text: '', ids: new Array<number>(10).fill(1) }))
    const { round, all } = alignWork(whole, whole.preferences as OnPolicy, { train: prompts }, config)
    // 10 prompts with 4 completions, read once however many pairs they make; the look has 5 prompts on two sides.
    expect(round).toEqual({
      length: 210,
      sampling: { rows: 40, from: 10, longest: 60 },
      sampled: (40 + 10) * 50,
      // The look's completions with their prompts, and all prompts to go on from.
      scored: { positions: 10 * 60 + 20 * 10, wanted: 10 * 50 },
      trained: { positions: 10 * 210, wanted: 10 * 200 },
    })
    expect(all.sampled).toBe((80 + 10 + 5 + 40) * 50)
    expect(all.trained).toEqual({ positions: 30 * 210, wanted: 30 * 200 })
  })

  it('counts every pair where a prompt’s completions are too long to share a row', () => {
    const long = made({ preferences: { prompts: ['a'], perPrompt: 4, promptsPerRound: 10, maxTokens: 240, judge: { goals: { kind: 1 } } } })
    const prompts = Array.from({ length: 30 }, () => ({ text: '', ids: new Array<number>(10).fill(1) }))
    const { round } = alignWork(long, long.preferences as OnPolicy, { train: prompts }, config)
    // 10 prompts with 4 completions in a ring make 40 pairs.
    expect(round.trained).toEqual({ positions: 40 * 490, wanted: 40 * 480 })
  })

  it('counts one pair of each prompt where the extremes alone are trained on', () => {
    const { preferences } = made({
      preferences: { prompts: ['a'], promptsPerRound: 10, trainOn: 'extremes', maxTokens: 50, judge: { goals: { kind: 1 } } },
    })
    const prompts = Array.from({ length: 30 }, () => ({ text: '', ids: new Array<number>(10).fill(1) }))
    const { round } = alignWork(made(), preferences as OnPolicy, { train: prompts }, config)
    expect(round.trained).toEqual({ positions: 10 * 110, wanted: 10 * 100 })
  })

  it('counts as scored what later rollouts of a round are trained on, since the reference did not say it', () => {
    const asked = { prompts: ['a'], perPrompt: 4, promptsPerRound: 10, maxTokens: 50, judge: { goals: { kind: 1 } } }
    const prompts = Array.from({ length: 30 }, () => ({ text: '', ids: new Array<number>(10).fill(1) }))
    const work = (rollout?: number) => {
      const whole = made({ rounds: 2, preferences: { ...asked, ...(rollout ? { rollout } : {}) } })
      return alignWork(whole, whole.preferences as OnPolicy, { train: prompts }, config)
    }
    const [at, once] = [work(4), work()]
    // Of ten prompts the first four are the reference's own, in the first round.
    expect(at.round.scored.wanted - once.round.scored.wanted).toBe(6 * 200)
    expect(at.all.scored.wanted - once.all.scored.wanted).toBe(6 * 200)
    expect([at.round.trained, at.all.trained]).toEqual([once.round.trained, once.all.trained])
  })

  it('takes time by the operations: three times the forward pass for training, two with adapters', () => {
    const work = { length: 0, sampled: 0, scored: { positions: 0, wanted: 0 }, trained: { positions: 1000, wanted: 0 } }
    // A block of stories15m has 995,328 parameters in its products; two operations each.
    const forward = 1000 * 2 * 6 * 995_328
    expect(estimate(config, train, work, 1e9).seconds).toBeCloseTo((3 * forward) / 0.8e9, 6)
    const { train: adapters } = made({ train: { lora: { rank: 8, alpha: 16 } } })
    expect(estimate(config, adapters, work, 1e9).seconds).toBeCloseTo((2 * forward) / 0.8e9, 6)
    const head = estimate(config, train, { ...work, trained: { positions: 1000, wanted: 1000 } }, 1e9).seconds
    expect(head).toBeCloseTo((3 * (forward + 1000 * 2 * 32_000 * 288)) / 0.8e9, 6)
  })

  const stories5m = { ...config, vocabSize: 3072, intermediateSize: 392 }
  const smol = { ...config, vocabSize: 49_152, hiddenSize: 576, layers: 30, heads: 9, kvHeads: 3, headDim: 64, intermediateSize: 1536, contextLength: 8192 } // biome-ignore format: one line
  const billion = { ...config, hiddenSize: 2048, layers: 22, heads: 32, kvHeads: 4, headDim: 64, intermediateSize: 5632, contextLength: 2048, tied: false } // biome-ignore format: one line
  const lora = { rank: 8, alpha: 16 }
  // Peaks of the whole process, see docs/memory.md.
  it.each([
    ['stories5m in full', stories5m, {}, 24, [164, 85, 100], 0.68],
    ['stories5m with LoRA', stories5m, { lora }, 24, [164, 85, 100], 0.69],
    ['stories15m in full', config, {}, 24, [130, 65, 78], 1.28],
    ['stories15m with LoRA', config, { lora }, 24, [130, 65, 78], 0.93],
    ['SmolLM2-135M with LoRA, short pairs', smol, { lora, batch: 4 }, 24, [125, 40, 50], 1.54],
    ['SmolLM2-135M with LoRA, from its GGUF', smol, { lora, batch: 4 }, 24, [125, 40, 50], 1.3],
    ['SmolLM2-135M with LoRA, long pairs', smol, { lora, batch: 4 }, 6, [141, 95, 412], 1.56],
    ['TinyLlama-1.1B with LoRA, tiny pairs', billion, { lora, batch: 4 }, 80, [6, 7, 10], 1.54],
  ] as const)('of training %s is within 15 % of the memory that was used', (_, of, settings, count, [prompt, chosen, rejected], seen) => {
    const { train } = made({ train: settings })
    const work = trainWork(train, Array.from({ length: count }, () => tree(prompt, chosen, rejected))) // biome-ignore format: one line
    expect(Math.abs(estimate(of, train, work, 1e9).bytes / (seen * 1e9) - 1)).toBeLessThan(0.15)
  })

  it('of align counts the keys and values of what is sampled side by side, not of whole contexts', () => {
    const whole = made({ train: { lora: { rank: 16, alpha: 32 }, tokenBudget: 4096 }, preferences: { prompts: ['a'], perPrompt: 4, promptsPerRound: 8, maxTokens: 32, judge: { goals: { kind: 1 } } }, look: { development: 20, sealed: 20 } }) // biome-ignore format: one line
    const prompts = Array.from({ length: 30 }, () => ({ text: '', ids: new Array<number>(43).fill(1) }))
    const { round } = alignWork(whole, whole.preferences as OnPolicy, { train: prompts }, smol)
    expect(round.sampling).toEqual({ rows: 32, from: 43, longest: 75 })
    expect(Math.abs(estimate(smol, whole.train, round, 1e9).bytes / 1.51e9 - 1)).toBeLessThan(0.15)
  })

  it('refuses what cannot fit, and says what would', () => {
    const work = trainWork(
      train,
      Array.from({ length: 32 }, () => tree(15, 72, 66)),
    )
    expect(() => checkFits(config, train, work, 8e9)).not.toThrow()
    expect(() => checkFits(config, train, work, 0.8e9)).toThrow(
      /^train: the run must fit into the machine's 0\.\d GB, got about [\d.]+ GB; what would fit: .*train\.lora of rank 8/,
    )
    expect(() => checkFits(config, train, work, 1e6)).toThrow(/; what would fit is a smaller model, or a machine with more memory$/)
    expect(() => checkFits(billion, train, work, 64e9)).toThrow(
      /must fit into the engine's 4\.3 GB, got about \d+\.\d GB; what would fit: train\.lora/,
    )
    const { train: adapters } = made({ train: { lora: { rank: 8, alpha: 16 } } })
    expect(() => checkFits(billion, adapters, work, 8e9)).not.toThrow()
  })

  it('needs a machine’s speed, which is measured', async () => {
    const engine = openEngine({ threads: 1 })
    expect(await throughputOf(engine)).toBeGreaterThan(1e8)
    await engine.close()
  })
})
