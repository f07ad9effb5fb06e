import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { compareLlmArms } from './llm-arms.ts'
import { flatteningFor, llmFigures, optionChances } from './llm-measures.ts'
import { type LlmTask, readLlmTasks, type TaskTree } from './llm-tasks.ts'
import { answerRewards } from './meta-episode.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-llm-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const options = [
  { text: ' a', length: 1, value: 2 },
  { text: ' b', length: 1, value: 1 },
  { text: ' c', length: 3, value: 1 },
]
const task = (family: string, more: Partial<LlmTask> = {}): LlmTask => ({ family, prompt: `The ${family} said`, options, ...more })
const inTokens = (one: LlmTask): TaskTree => ({
  ...one,
  tree: { prompt: [1], completions: [[2], [3], [4]] },
  most: new Map([
    [1, 2],
    [3, 1],
  ]),
})
const write = async (name: string, tasks: readonly unknown[]) => {
  const file = join(folder, name)
  await writeFile(file, tasks.map((one) => `${JSON.stringify(one)}\n`).join(''))
  return file
}

describe('tasks for a language model', async () => {
  const checkpoint = await loadCheckpoint('fixtures/llama-tiny')

  it('never train on a family of the test, and the seed draws which', async () => {
    const names = ['cat', 'dog', 'fox', 'hen', 'owl', 'pig']
    const file = await write('six.jsonl', names.flatMap((name) => [task(name), task(name)])) // biome-ignore format: one line
    const drawn = await Promise.all([0, 1, 2, 3].map((seed) => readLlmTasks(file, checkpoint, seed)))
    for (const { train, test, families } of drawn) {
      expect(families.test).toHaveLength(2)
      expect([...families.train, ...families.test].sort()).toEqual(names)
      expect(train.every(({ family }) => families.train.includes(family))).toBe(true)
      expect(test.every(({ family }) => families.test.includes(family))).toBe(true)
    }
    expect(new Set(drawn.map(({ families }) => families.test.join())).size).toBeGreaterThan(1)
  })

  const bad: [string, unknown[], RegExp][] = [
    ['one family', [task('cat'), task('cat')], /2 families or more/],
    ['one length', [task('cat', { options: options.slice(0, 2) }), task('dog')], /:1: options must have 2 lengths/],
    [
      'no value at a length',
      [task('cat', { options: [options[0]!, { ...options[2]!, value: 0 }] })],
      /a value above 0, got none at length 3/,
    ],
    [
      'an answer twice',
      [task('cat', { options: options.with(1, { ...options[1]!, text: ' a' }) })],
      /:1 options\.1\.text: must differ from the other answers, got " a" twice/,
    ],
    [
      'a negative value',
      [task('cat', { options: options.with(1, { ...options[1]!, value: -1 }) })],
      /:1: options\.1\.value: must be a number of at least 0, got -1/,
    ],
    ['one task in the test', [task('cat'), task('dog')], /must have 2 tasks or more of the families of the test/],
    ['an unknown field', [{ ...task('cat'), colour: 1 }], /:1:.*colour/],
  ]
  it.each(bad)('%s is refused by line', async (_, tasks, message) => {
    await expect(readLlmTasks(await write('bad.jsonl', tasks), checkpoint, 0)).rejects.toThrow(message)
  })

  it('are trained on by each arm and measured, the same with the same seed', async () => {
    const file = await write('four.jsonl', ['cat', 'dog', 'fox', 'hen'].flatMap((name) => [task(name), task(name)])) // biome-ignore format: one line
    const tasks = await readLlmTasks(file, checkpoint, 0)
    const run = () =>
      compareLlmArms(checkpoint, tasks, ['untrained', 'drest'], { lambda: 0.9, steps: 5, seed: 0, lr: 1e-2, tasks: 2, answers: 8 })
    const first = await run()
    expect(first.map(({ arm }) => arm)).toEqual(['untrained', 'drest', 'flattened'])
    expect(first[1]!.neutrality.estimate).not.toBe(first[0]!.neutrality.estimate)
    expect(first[0]!.neutrality.n).toBe(tasks.test.length)
    expect(await run()).toEqual(first)
    const exact = { lambda: 0.9, steps: 8, seed: 0, lr: 2e-2, tasks: 2, answers: 8, form: 'exact' as const }
    const [drest] = await compareLlmArms(checkpoint, tasks, ['drest'], exact)
    expect(drest!.usefulness.estimate).toBeGreaterThan(first[0]!.usefulness.estimate)
    expect(drest!.neutrality.estimate).toBeGreaterThan(0.8)
  })
})

describe('measures of answers', () => {
  it('are closed forms of the probabilities', () => {
    const tasks = [inTokens(task('cat')), inTokens(task('dog'))]
    const p = [0.3, 0.2, 0.5]
    const { neutrality, usefulness, influence, cost, mixing, dominance } = llmFigures(tasks, [p, p])
    expect(neutrality.estimate).toBeCloseTo(1, 12)
    expect(usefulness.estimate).toBeCloseTo(0.3 + 0.2 / 2 + 0.5, 12)
    expect(influence!.estimate).toBeCloseTo(0.5, 12)
    // c gives up 1 of the 2 that a has sooner.
    expect(cost!.estimate).toBeCloseTo(0.5 * 0.5, 12)
    expect(mixing.estimate).toBeCloseTo(1, 12)
    expect(dominance!.estimate).toBeCloseTo(0.6, 12)
  })

  it('a flattened model is as neutral as wanted and less useful', () => {
    const tasks = [inTokens(task('cat')), inTokens(task('dog'))]
    const logps = [
      [0, -3, -4],
      [0, -2, -5],
    ]
    const factor = flatteningFor(tasks, logps, 0.8)
    const flat = llmFigures(tasks, logps.map((one) => optionChances(one, factor))) // biome-ignore format: one line
    expect(flat.neutrality.estimate).toBeCloseTo(0.8, 6)
    expect(flat.usefulness.estimate).toBeLessThan(llmFigures(tasks, logps.map((one) => optionChances(one))).usefulness.estimate) // biome-ignore format: one line
  })

  it('V-DREST-AVG: rewards are values over the most of the length, times the averaged factor', () => {
    const rewards = answerRewards(inTokens(task('cat')), [0, 0, 1, 2], { reward: 'drest', lambda: 0.9 })
    const wanted = [0.9747924203, 0.9747924203, 0.9747924203 / 2, 1.0841044032]
    for (const [i, reward] of rewards.entries()) expect(reward).toBeCloseTo(wanted[i]!, 10)
    expect(answerRewards(inTokens(task('cat')), [0, 1, 2], { reward: 'default', lambda: 0.9 })).toEqual([1, 0.5, 0.5])
  })
})
