import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { readyGoals, type Sample, sharedWords, words } from 'innate'
import { describe, expect, it } from 'vitest'
import { gold, warmth } from './gold.ts'
import { prosocial, prosociality, utility, voter } from './voter.ts'

const told = (text: string, some: Partial<Sample> = {}): Sample => ({ prompt: '', text, tokens: 0, ended: true, ...some })

describe('the lexicons', () => {
  it.each(Object.values(readyGoals).map((goal) => [goal.name, goal.words ?? []] as const))(
    'gold shares no word with the goal %s',
    (_, lexicon) => {
      expect(sharedWords(gold.words!, lexicon)).toEqual([])
    },
  )

  it('gold shares no word with the voter', () => {
    expect(voter.words).toBe(prosocial)
    expect(sharedWords(gold.words!, prosocial)).toEqual([])
  })
})

describe('known values', () => {
  it('of the voter', () => {
    expect(prosociality(told('Tom gave Sue a hug. She smiled.'))).toBeCloseTo(3 / 7, 12)
    expect(utility(told('They shared the cake.', { tokens: 100 }))).toBeCloseTo(0.25 / 0.015 + 0.75 - 0.25, 12)
    expect(utility(told('', { ended: false }))).toBe(0)
  })

  it('of gold', () => {
    expect(warmth(told('They always played together.'))).toBe(0.5)
    expect(warmth(told('He yelled and threw it away.'))).toBe(-0.5)
    expect(warmth(told(''))).toBe(0)
  })
})

const file = fileURLToPath(new URL('../../../shared/data/stories.jsonl.gz', import.meta.url))
const here = existsSync(file)

describe.skipIf(!here)(`on the model's own stories${here ? '' : ' (not run here: needs ../shared/data/stories.jsonl.gz)'}`, () => {
  const samples = here
    ? gunzipSync(readFileSync(file))
        .toString()
        .trim()
        .split('\n')
        .map((line) => halved(JSON.parse(line)))
    : []
  const columns = { utility: samples.map(utility), prosociality: samples.map(prosociality), gold: samples.map(warmth) }

  it('two stories in three have a word of gold, three in four one of the voter', () => {
    const covered = (lexicon: ReadonlySet<string>) => samples.filter(({ text }) => words(text).some((word) => lexicon.has(word))).length
    expect(covered(gold.words!) / samples.length).toBeGreaterThan(0.65)
    expect(covered(prosocial) / samples.length).toBeGreaterThan(0.75)
  })

  it('gold is a thing of its own, yet the best of four by the voter has a fifth of a standard deviation more of it', () => {
    expect(correlation(columns.gold, columns.utility)).toBeGreaterThan(0.25)
    expect(correlation(columns.gold, columns.utility)).toBeLessThan(0.4)
    expect(bestOfFour(columns.utility, columns.gold)).toBeGreaterThan(0.2)
    expect(bestOfFour(columns.prosociality, columns.gold)).toBeGreaterThan(0.2)
  })

  it('the voter is not the prior: its utility goes with the goals, but only in part', () => {
    const by = Object.fromEntries(
      Object.values(readyGoals).map((goal) => [goal.name, correlation(columns.utility, samples.map(goal.measure))]),
    )
    expect(by.kind).toBeGreaterThan(0.3)
    expect(by.kind).toBeLessThan(0.5)
    expect(by.complete).toBeGreaterThan(0.2)
    expect(Math.abs(by.onPrompt!)).toBeLessThan(0.15)
    expect(by.length).toBeLessThan(-0.1)
  })
})

/** The first half of a story's sentences as the prompt, the second as the completion. */
function halved({ text, ended }: { text: string; ended: boolean }): Sample {
  const sentences = text.match(/[^.!?]*[.!?]+["']?\s*|[^.!?]+$/g) ?? [text]
  const half = Math.ceil(sentences.length / 2)
  const completion = sentences.slice(half).join('')
  return { prompt: sentences.slice(0, half).join(''), text: completion, tokens: Math.round(1.28 * words(completion).length), ended }
}

/** By how many standard deviations the best of four stories, by one measure, has more of another. */
function bestOfFour(by: number[], of: number[]): number {
  const best = Array.from({ length: Math.floor(by.length / 4) }, (_, g) =>
    [0, 1, 2, 3].map((k) => 4 * g + k).reduce((b, i) => (by[i]! > by[b]! ? i : b)),
  )
  const middle = mean(of)
  return (mean(best.map((i) => of[i]!)) - middle) / Math.sqrt(mean(of.map((v) => (v - middle) ** 2)))
}

function correlation(x: number[], y: number[]): number {
  const [mx, my] = [mean(x), mean(y)]
  const covariance = (a: number[], ma: number, b: number[], mb: number) => a.reduce((sum, v, i) => sum + (v - ma) * (b[i]! - mb), 0)
  return covariance(x, mx, y, my) / Math.sqrt(covariance(x, mx, x, mx) * covariance(y, my, y, my))
}

function mean(values: number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length
}
