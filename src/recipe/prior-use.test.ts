import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/index.ts'
import { type RecipeInput, recipe } from './recipe.ts'

const prior = { goals: ['kind', 'fluent'], strength: 20 }
const file = { model: 'M', preferences: { pairs: 'x' } }
const asked = { model: 'M', preferences: { prompts: ['a'], judge: { votes: 'v' } } }
const chosen = { ...asked, preferences: { ...asked.preferences, sdPenalty: 1, trainOn: 'extremes' } }
const made = (input: object) => recipe(input as RecipeInput)

describe('the prior in training', () => {
  it('is in labels, in choice or in the reference, where the recipe says so', () => {
    expect(made({ ...file, prior })).toMatchObject({ kappa: 1 })
    expect(made({ ...file, prior })).not.toHaveProperty('tiltReference')
    expect(made({ ...chosen, prior }).preferences).toMatchObject({ sdPenalty: 1, trainOn: 'extremes' })
    expect(made({ ...file, prior, tiltReference: true })).toMatchObject({ kappa: 0, tiltReference: true })
    expect(made({ ...file, prior, tiltReference: true, objective: { name: 'ipo', form: 'sums' } })).toMatchObject({ tiltReference: true })
  })

  it.each<[object, RegExp]>([
    [chosen, /^preferences.sdPenalty: must go with a prior, whose posterior it reads, got none/],
    [
      { ...chosen, prior, preferences: { ...chosen.preferences, trainOn: 'all' } },
      /^preferences.sdPenalty: must go with trainOn "extremes", which it chooses, got "all"/,
    ],
    [{ ...chosen, prior, preferences: { ...chosen.preferences, sdPenalty: -1 } }, /^preferences.sdPenalty: /],
    [{ ...file, tiltReference: true }, /^tiltReference: must go with a prior, whose mean it adds, got none/],
    [{ ...file, tiltReference: true, prior: { ...prior, strength: 0 } }, /^tiltReference: must go with a prior that expects something/],
    [{ ...file, tiltReference: true, prior, kappa: 1 }, /^tiltReference: must go with kappa 0, .* got kappa 1; say kappa 0/],
    [{ ...file, tiltReference: true, prior, gap: { weight: 1 } }, /^tiltReference: must go without gap/],
    [
      { ...file, tiltReference: true, prior, objective: { name: 'simpo' } },
      /^tiltReference: must go with an objective of pairs that reads a reference, got simpo/,
    ],
    [{ ...file, tiltReference: true, prior, objective: { name: 'kto' } }, /^tiltReference: must go with an objective of pairs .* got kto/],
    [
      { ...file, tiltReference: true, prior, objective: { name: 'ipo' } },
      /^tiltReference: must go with an objective that has a β per nat .* got ipo per token/,
    ],
    [{ ...file, tiltReference: true, prior, objective: { name: 'sigmoidNorm' } }, /got sigmoidNorm/],
    [{ ...file, tiltReference: true, prior, objective: { name: 'dpo', ldAlpha: 0.5 } }, /got dpo with ldAlpha; leave that out/],
    [
      { ...file, tiltReference: true, prior, objective: { name: 'dpo', sync: { every: 2, alpha: 0.5 } } },
      /got dpo with sync; leave that out/,
    ],
    [{ ...file, tiltReference: 1, prior }, /^tiltReference: must be/],
  ])('%j is refused', (input, message) => {
    expect(() => made(input)).toThrow(UserError)
    expect(() => made(input)).toThrow(message)
  })
})
