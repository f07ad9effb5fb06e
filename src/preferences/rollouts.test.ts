import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { loadRollouts } from './rollouts.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-rollouts-'))
})
afterAll(() => rm(folder, { recursive: true }))

const row = (prompt: number, more: object = {}) => ({ prompt_ids: [prompt], completion_ids: [3, 4], reward: 1, logps: [-1, -2], ...more })
async function loaded(rows: readonly unknown[], group = 2) {
  const file = join(folder, 'rollouts.jsonl')
  await writeFile(file, rows.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n'))
  return loadRollouts(file, { group, vocabSize: 10, contextLength: 8 })
}

it('rows of a prompt, so many of them, are a group; the same prompt twice is two groups', async () => {
  const groups = await loaded([row(1), row(1, { reward: -0.5 }), row(1), row(1), row(2), row(2, { completion_ids: [5], logps: [-0.1] })])
  expect(groups).toHaveLength(3)
  expect(groups[0]).toEqual({
    ...{ tree: { prompt: [1], completions: [[3, 4], [3, 4]] }, rewards: [1, -0.5] }, // biome-ignore format: one line
    sampled: [
      [-1, -2],
      [-1, -2],
    ],
  })
  expect(groups[2]!.tree.completions).toEqual([[3, 4], [5]])
})

it('where a row of a group has no log-probabilities, the group has none', async () => {
  const [group] = await loaded([row(1), row(1, { logps: undefined, reward: 0 })])
  expect(group).not.toHaveProperty('sampled')
})

const wrong: [string, readonly unknown[], string][] = [
  ['no row', [], 'must have rollouts, got no row'],
  ['no JSON', [row(1), '{'], ':2: '],
  ['no reward', [row(1, { reward: undefined }), row(1)], ':1: reward must be there, got none; mend the row'],
  ['a reward that is none', [row(1, { reward: null }), row(1)], ':1: reward: must be expected number, got null'],
  ['a reward without bound', [`{"prompt_ids":[1],"completion_ids":[2],"reward":1e999}`], ':1: reward: '],
  ['log-probabilities of another length', [row(1), row(1, { logps: [-1] })], ':2: logps: must have one number for each of 2 tokens, got 1'],
  ['a log-probability above 0', [row(1, { logps: [-1, 0.5] }), row(1)], ':1: logps.1: '],
  ['an id that is none', [row(1), row(1, { completion_ids: [3, 10] })], ":2: ids must be below the vocabulary's 10, got 10"],
  ['an empty completion', [row(1, { completion_ids: [] }), row(1)], ':1: completion_ids: '],
  [
    'too long',
    [row(1, { completion_ids: [1, 2, 3, 4, 5, 6, 7, 8, 9], logps: undefined }), row(1)],
    ':1: must be at most 9 tokens long, got 10',
  ],
  ['rewards all alike', [row(1), row(1), row(2), row(2)], 'rewards must differ within a group, got 2 whose rewards are all alike'],
  [
    'a group that is short',
    [row(1), row(1), row(2)],
    ':3: a prompt must have a group of 2 completions, got 1 rows of it; write as many for each',
  ],
  [
    'groups of another size',
    [row(1), row(1), row(1), row(2), row(2), row(2)],
    'of 4 completions, got 3 rows of it; say "group": 3 in the objective',
  ],
]
it.each(wrong)('%s is refused with its line', async (what, rows, said) => {
  const reading = loaded(rows, what === 'groups of another size' ? 4 : 2)
  await expect(reading).rejects.toThrow(UserError)
  await expect(reading).rejects.toThrow(said)
})
