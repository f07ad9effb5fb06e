import { describe, expect, it } from 'vitest'
import { drest } from '../objectives/index.ts'
import { checkDemands, measurable } from './bounds.ts'
import { type RecipeInput, recipe } from './recipe.ts'

const tasks = { model: 'M', objective: { name: 'drest' }, shutdown: { tasks: 'tasks.jsonl' } }
const pairs = { model: 'M', preferences: { pairs: 'pairs.jsonl' }, shutdown: { evals: 'evals.jsonl' } }
const asked = { model: 'M', preferences: { prompts: ['a'], judge: { goals: { kind: 1 } } }, prior: { goals: ['kind'], strength: 4 } }

describe('a recipe with shutdown', () => {
  it('learns from tasks with drest, in JSON as in TypeScript', () => {
    const typed = recipe({ ...tasks, objective: drest({ lambda: 0.8 }) } as RecipeInput)
    const json = recipe({ ...tasks, objective: { name: 'drest', lambda: 0.8 } } as RecipeInput)
    expect(JSON.stringify(json)).toBe(JSON.stringify(typed))
    expect(typed.preferences).toEqual({ kind: 'tasks', file: 'tasks.jsonl', perRound: 64 })
    expect(typed.objective.params).toEqual({ lambda: 0.8, answers: 32, form: 'drawn' })
  })

  it('has the measures of its files, beside those of what it learns from', () => {
    const ofTasks = ['shutdown.neutrality', 'shutdown.usefulness', 'shutdown.influence']
    expect(Object.keys(measurable(recipe(tasks as RecipeInput)))).toEqual(ofTasks)
    expect(Object.keys(measurable(recipe(pairs as RecipeInput)))).toEqual(['shutdown.acceptance'])
    const all = { ...pairs, shutdown: { tasks: 't', evals: 'e', harmless: 'h', sycophancy: 's' }, look: { texts: 'x' } }
    expect(Object.keys(measurable(recipe(all as RecipeInput)))).toEqual([
      'perplexityRise',
      ...ofTasks,
      'shutdown.acceptance',
      'shutdown.refusals',
      'shutdown.sycophancy',
      'shutdown.opinionShift',
    ])
    const beside = Object.keys(measurable(recipe({ ...asked, shutdown: pairs.shutdown } as RecipeInput)))
    expect(beside).toEqual(expect.arrayContaining(['shareEnded', 'kind', 'shutdown.acceptance']))
  })

  const mistakes: [string, object, RegExp][] = [
    ['no file', { ...pairs, shutdown: {} }, /^shutdown: must name a file under tasks, evals, harmless or sycophancy, got none/],
    ['another field', { ...pairs, shutdown: { eval: 'x' } }, /^shutdown: must have no other fields .* got eval; did you mean evals\?/],
    ['drest without tasks', { model: 'M', objective: { name: 'drest' } }, /^shutdown\.tasks: must name a file of tasks for drest, got none/],
    ['drest and pairs', { ...tasks, preferences: { pairs: 'x' } }, /^preferences: must be left out with drest, .* got some/],
    ['drest and texts', { ...tasks, texts: { file: 'x' } }, /^texts: must be left out with drest/],
    ['tasks without drest', { model: 'M', shutdown: { tasks: 'x' } }, /^preferences: .* or objective: drest\(\), which learns from shutdown\.tasks$/],
    ['λ = 0', { ...tasks, objective: { name: 'drest', lambda: 0 } }, /^drest\.lambda: must be a number above 0 and at most 1, got 0/],
    ['λ > 1', { ...tasks, objective: { name: 'drest', lambda: 1.1 } }, /^drest\.lambda: must be a number above 0 and at most 1, got 1\.1/],
    ['two answers', { ...tasks, objective: { name: 'drest', answers: 2 } }, /^drest\.answers: must be a whole number of at least 3/],
    ['half an answer', { ...tasks, objective: { name: 'drest', answers: 3.5 } }, /^drest\.answers: must be a whole number/],
    ['two epochs', { ...tasks, train: { epochs: 2 } }, /^train\.epochs: must be 1 with drest/],
    ['a prior', { ...tasks, prior: asked.prior }, /^prior: must be left out with tasks/],
    ['a gold measure', { ...tasks, gold: 'kind' }, /^gold: must be left out with tasks/],
    ['a gap weight', { ...tasks, gap: { weight: 1 } }, /^gap: must be left out with tasks/],
    ['a KL budget', { ...pairs, stop: { klBudget: 1 } }, /^stop\.klBudget: must be left out with a file of pairs/],
    ['patience', { ...pairs, stop: { patience: 1 } }, /^stop\.patience: must be left out .* no win rate/],
    ['texts', { model: 'M', texts: { file: 'x' }, shutdown: { evals: 'x' } }, /^shutdown: must be left out with texts/],
    ['tasks a round, not trained on', { ...pairs, shutdown: { tasks: 'x', tasksPerRound: 4 } }, /^shutdown\.tasksPerRound: must be left out/],
    ['what its files do not give', { ...pairs, accept: { 'shutdown.neutrality': { atLeast: 0.5 } } }, /^accept: must name what is measured \(shutdown\.acceptance\), got shutdown\.neutrality/],
    ['a win rate', { ...tasks, accept: { winRate: { atLeast: 0.5 } } }, /^accept: must name what is measured/],
    ['a share above 1', { ...pairs, accept: { 'shutdown.acceptance': { atLeast: 1.2 } } }, /^accept\.shutdown\.acceptance: must be a bound that a result can meet/],
  ] // biome-ignore format: a line each
  it.each(mistakes)('refuses %s by name', (_, input, why) => {
    expect(() => recipe(input as RecipeInput)).toThrow(why)
  })

  it('must demand something to be aligned', () => {
    expect(() => checkDemands(recipe(pairs as RecipeInput))).toThrow(/bound one or more of shutdown\.acceptance, for example/)
  })
})
