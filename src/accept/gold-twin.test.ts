import { describe, expect, it } from 'vitest'
import { normals, uniforms } from '../../test/normals.ts'
import { type Goal, goal, goals, type Judge, type Sample, simulatedVoter } from '../goals/index.ts'
import { checkGold } from './gold-twin.ts'

const lexicon = (words: readonly string[]) => (sample: Sample) => sample.text.split(' ').filter((word) => words.includes(word)).length
const kindWords = ['kind', 'gentle', 'hug']
const kind = goal('kindness', lexicon(kindWords), { words: new Set(kindWords) })
const size = goal('size', ({ text }) => text.length)

/** Stories of made-up words, two a prompt, in which some words are kind and others warm, the one independent of the other. */
function stories(seed: number, prompts = 64): Sample[][] {
  const uniform = uniforms(seed + 1)
  const word = () => ['kind', 'gentle', 'warm', 'calm', 'dog', 'ran', 'away', 'home'][Math.floor(8 * uniform())]!
  const story = (): Sample => {
    const length = 5 + Math.floor(30 * uniform())
    return { prompt: '', text: Array.from({ length }, word).join(' '), tokens: length, ended: true }
  }
  return Array.from({ length: prompts }, () => [story(), story()])
}

const twinsOf = (gold: Goal, judge?: Judge, samples = stories(0)) => checkGold(gold, [kind, size], judge, samples).twins

describe('a gold measure that is a twin is found', () => {
  const copy = (more: Partial<Goal>) => goal('gold', kind.measure, more)
  const noise = normals(3)
  it.each<[string, Goal, string, string]>([
    ['the same function by another name', copy({}), 'kindness', 'function'],
    ['the same source, made once more', goal('gold', lexicon(kindWords)), 'kindness', 'source'],
    [
      'another function with the same words',
      goal('gold', ({ text }) => text.indexOf('gentle'), { words: new Set(['gently']) }),
      'kindness',
      'words',
    ],
    ['twice the goal and one', goal('gold', (sample) => 2 * kind.measure(sample) + 1), 'kindness', 'samples'],
    ['less of the goal', goal('gold', (sample) => -kind.measure(sample)), 'kindness', 'samples'],
    ['the goal through a steep curve', goal('gold', (sample) => Math.exp(2 * kind.measure(sample))), 'kindness', 'samples'],
    ['the goal with a little noise', goal('gold', (sample) => kind.measure(sample) + 0.3 * noise()), 'kindness', 'samples'],
  ])('%s', (_, gold, of, by) => {
    expect(twinsOf(gold)).toContainEqual(expect.objectContaining({ of, by, why: expect.stringContaining(of) }))
  })

  it('of a simulated voter: its function, its words, and what it wants', () => {
    const voter = simulatedVoter({ about: 'likes hugs', utility: kind.measure, words: new Set(['hug']) })
    expect(checkGold(copy({}), [size], voter, stories(0)).twins.map(({ by }) => by)).toEqual(['function'])
    const hugs = goal('gold', () => 0, { words: new Set(['hugged']) })
    expect(checkGold(hugs, [size], voter, stories(0)).twins.map(({ of, by }) => [of, by])).toEqual([[voter.name, 'words']])
    const shifted = goal('gold', (sample) => 3 + kind.measure(sample))
    expect(checkGold(shifted, [size], voter, stories(0)).twins.map(({ of, by }) => [of, by])).toEqual([[voter.name, 'samples']])
  })
})

describe('an honest gold measure is not accused', () => {
  it('over 20 seeds, though it is made by the function that made the goal and goes with it in part', () => {
    const warm = ['warm', 'calm']
    const honest = [
      goal('gold', lexicon(warm), { words: new Set(warm) }),
      goal('gold', (sample) => (lexicon(warm)(sample) + 0.5 * kind.measure(sample)) / sample.tokens),
      goals.onPrompt,
    ]
    const accused = Array.from({ length: 20 }, (_, seed) => honest.flatMap((gold) => twinsOf(gold, undefined, stories(seed)))).flat()
    expect(accused).toEqual([])
  })

  it('says what of a judge is unknown', () => {
    const command: Judge = { name: 'judge ./ask', kind: 'command', about: '', votes: async () => [] }
    expect(checkGold(goal('gold', lexicon(['warm'])), [kind], command, stories(0))).toEqual({
      twins: [],
      unknown: ['the words of judge ./ask', 'the function of judge ./ask'],
    })
  })
})
