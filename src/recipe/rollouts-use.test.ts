import { expect, it } from 'vitest'
import { recipe } from './recipe.ts'

const from = (objective: object, more: object = {}) =>
  recipe({ model: 'm', preferences: { rollouts: 'r.jsonl' }, objective, ...more } as Parameters<typeof recipe>[0])

it('rollouts go with a policy gradient, in the order of the file', () => {
  expect(from({ name: 'grpo' }).preferences).toEqual({ kind: 'rollouts', rollouts: 'r.jsonl', shuffle: false })
  expect(from({ name: 'rloo', group: 4 }).objective.params).toMatchObject({ group: 4 })
})

it('refuses what does not go together', () => {
  expect(() => from({ name: 'dpo' })).toThrow('objective.name: must be a policy-gradient objective for preferences.rollouts, got dpo; choose from rloo, grpo') // biome-ignore format: one line
  expect(() => recipe({ model: 'm', preferences: { pairs: 'p.jsonl' }, objective: { name: 'grpo' } })).toThrow('preferences: must be rollouts for grpo, got pairs') // biome-ignore format: one line
  expect(() => from({ name: 'grpo', group: 3 })).toThrow('train.batch: must be a multiple of objective.group 3, since a step takes whole groups of completions, got 8; say 9') // biome-ignore format: one line
  expect(() => from({ name: 'grpo', group: 1 })).toThrow('grpo.group')
  expect(() => from({ name: 'grpo' }, { prior: { goals: ['fluent'], strength: 1 } })).toThrow('prior: must be left out with preferences.rollouts') // biome-ignore format: one line
})
