import { describe, expect, it } from 'vitest'
import type { Tree } from '../policy/index.ts'
import type { Labelled, Pair } from '../preferences/index.ts'
import { logRatioMeasures } from './held-out.ts'

// Log-ratios by the first token of a completion, so that a test says what the policy did.
const ratios: Readonly<Record<number, number>> = { 10: 2, 11: 1, 20: -1, 21: -3, 30: 0 }
const ofTrees = async (trees: readonly Tree[]) => trees.flatMap(({ completions }) => completions.map(([first]) => ratios[first!]!))
const pair = (prompt: number, chosen: number, rejected: number, votes: Pair['votes']): Pair => ({
  row: prompt,
  prompt: [prompt],
  chosen: [chosen],
  rejected: [rejected],
  votes,
})
const single = (prompt: number, completion: number, label: boolean): Labelled => ({
  row: prompt,
  prompt: [prompt],
  completion: [completion],
  label,
})

describe('held-out pairs', () => {
  it('are read by their votes, whatever the column', async () => {
    const plain = [pair(1, 10, 20, [1, 0]), pair(2, 11, 21, [3, 1]), pair(3, 20, 10, [2, 1])]
    const against = plain.map(({ row, prompt, chosen, rejected, votes: [a, b] }) => ({
      row,
      prompt,
      chosen: rejected,
      rejected: chosen,
      votes: [b, a] as const,
    }))
    const measured = await logRatioMeasures(ofTrees, plain)
    expect(measured).toMatchObject({ pairs: 3, ties: 0, accuracy: { estimate: 2 / 3, unit: 'share' } })
    // (2 + 1 − 1) / 3 and (−1 − 3 + 2) / 3.
    expect(measured).toMatchObject({ chosenLogRatio: { estimate: 2 / 3 }, rejectedLogRatio: { estimate: -2 / 3 } })
    expect(await logRatioMeasures(ofTrees, against)).toEqual(measured)
  })

  it('whose votes tie say nothing, and margins of 0 count half', async () => {
    const rows = [pair(1, 10, 20, [1, 1]), pair(2, 10, 10, [1, 0]), pair(3, 10, 20, [1, 0])]
    expect(await logRatioMeasures(ofTrees, rows)).toMatchObject({ pairs: 2, ties: 1, accuracy: { estimate: 0.75 } })
  })

  it('that are gaps are counted apart from ties, and say nothing', async () => {
    const rows = [
      pair(1, 10, 20, [1, 1]),
      { ...pair(2, 20, 10, [0, 0]), gap: true as const },
      pair(3, 10, 20, [1, 0]),
      pair(4, 11, 21, [1, 0]),
    ]
    expect(await logRatioMeasures(ofTrees, rows)).toMatchObject({ pairs: 2, ties: 1, gaps: 1, accuracy: { estimate: 1 } })
    expect(await logRatioMeasures(ofTrees, rows.slice(0, 3))).toEqual({
      tooFew: 'pairs on at least 2 prompts whose votes do not tie, got 1 on 1 and 1 ties and 1 gaps',
    })
  })

  it('are too few on one prompt, or where all tie', async () => {
    expect(await logRatioMeasures(ofTrees, [pair(1, 10, 20, [1, 0]), pair(1, 11, 21, [1, 0])])).toEqual({
      tooFew: 'pairs on at least 2 prompts whose votes do not tie, got 2 on 1 and 0 ties',
    })
    expect(await logRatioMeasures(ofTrees, [pair(1, 10, 20, [1, 1]), pair(2, 10, 20, [2, 2])])).toEqual({
      tooFew: 'pairs on at least 2 prompts whose votes do not tie, got 0 on 0 and 2 ties',
    })
  })
})

describe('held-out labelled completions', () => {
  it('moved the way of their labels, or not', async () => {
    const rows = [single(1, 10, true), single(2, 20, true), single(3, 21, false), single(4, 30, false), single(4, 11, false)]
    expect(await logRatioMeasures(ofTrees, rows)).toMatchObject({
      completions: 5,
      wanted: 2,
      // Prompts weigh alike: 1, 0, 1, and ½ and 0 of the last.
      labelAccuracy: { estimate: (1 + 0 + 1 + 0.25) / 4 },
      wantedLogRatio: { estimate: 0.5 },
      unwantedLogRatio: { estimate: (-3 + 0.5) / 2 },
    })
  })

  it('of one label leave out what is not there', async () => {
    const measured = await logRatioMeasures(ofTrees, [single(1, 10, true), single(2, 11, true), single(3, 20, true)])
    expect(measured).toMatchObject({ completions: 3, wanted: 3, labelAccuracy: { estimate: 2 / 3 } })
    expect(measured).not.toHaveProperty('unwantedLogRatio')
    expect(await logRatioMeasures(ofTrees, [single(1, 10, true)])).toEqual({ tooFew: 'completions of at least 2 prompts, got 1 of 1' })
  })
})
