import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { drawToken, keptOf } from './draw-token.ts'
import { penalise } from './penalise.ts'

interface Case {
  readonly setting: { temperature?: number; top_k?: number; top_p?: number; min_p?: number; repetition_penalty?: number }
  readonly logits: number[]
  readonly seen: number[]
  readonly kept: number[]
  readonly probabilities: number[]
}
const golden = Object.values(JSON.parse(readFileSync('fixtures/sampling/golden.json', 'utf8')) as Record<string, Case>)

describe('penalty, temperature and filters keep what transformers keeps', () => {
  it.each(golden.map((of, i) => [i, JSON.stringify(of.setting), of] as const))('%i %s', (_, __, of) => {
    const { temperature = 1, top_k: topK, top_p: topP, min_p: minP, repetition_penalty: repetitionPenalty = 1 } = of.setting
    const weights = penalise(Float32Array.from(of.logits), of.seen, { temperature, repetitionPenalty })
    const choice = { ...(topK ? { topK } : {}), ...(topP ? { topP } : {}), ...(minP ? { minP } : {}) }
    const kept = keptOf(weights, choice) ?? of.logits.map((_, id) => id)
    expect(kept).toEqual(of.kept)
    const mass = kept.reduce((total, id) => total + weights[id]!, 0)
    expectClose(
      of.logits.map((_, id) => (kept.includes(id) ? weights[id]! / mass : 0)),
      of.probabilities,
      tolerances.update,
    )
    // And choose takes from these alone, the first and the last of them at either end.
    expect(drawToken(weights, () => 0, choice)).toBe(kept[0])
    expect(drawToken(weights, () => 1 - 2 ** -53, choice)).toBe(kept.at(-1))
  })
})

describe('penalise', () => {
  it.each<[string, number[], number[], Parameters<typeof penalise>[2], number[]]>([
    ['changes nothing at 1', [0, Math.LN2], [1], { temperature: 1, repetitionPenalty: 1 }, [1 / 3, 2 / 3]],
    ['divides what is positive', [0, Math.log(4)], [1, 1], { temperature: 1, repetitionPenalty: 2 }, [1 / 3, 2 / 3]],
    ['multiplies what is negative', [0, -Math.LN2], [1], { temperature: 1, repetitionPenalty: 2 }, [4 / 5, 1 / 5]],
    ['divides by the temperature afterwards', [0, Math.log(4)], [1], { temperature: 0.5, repetitionPenalty: 2 }, [1 / 5, 4 / 5]],
    ['reads temperature 0 as 1', [0, Math.LN2], [], { temperature: 0, repetitionPenalty: 1 }, [1 / 3, 2 / 3]],
    [
      'leaves what is not allowed no chance',
      [5, 0, 0],
      [],
      { temperature: 1, repetitionPenalty: 1, allowed: (id) => id > 0 },
      [0, 0.5, 0.5],
    ],
    ['does not overflow', [1000, 1000], [], { temperature: 0.01, repetitionPenalty: 1 }, [0.5, 0.5]],
  ])('%s', (_, logits, seen, penalty, probabilities) => {
    expectClose([...penalise(Float32Array.from(logits), seen, penalty)], probabilities, tolerances.update)
  })
})
