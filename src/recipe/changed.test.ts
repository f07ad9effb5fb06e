import { describe, expect, it } from 'vitest'
import { goalPrior, goals } from '../goals/index.ts'
import { dpo } from '../objectives/index.ts'
import { adamw } from '../train/index.ts'
import { type Changes, changedInput } from './changed.ts'
import { inputOf, pairs, type RecipeInput, recipe } from './recipe.ts'

const written: RecipeInput = {
  model: 'stories5m',
  preferences: pairs('p.jsonl'),
  objective: dpo({ beta: 0.1 }),
  train: { optimizer: adamw({ lr: 1e-4, weightDecay: 0.1 }), batch: 4, seed: 7 },
}
const changed = (changes: Changes, input = written) => recipe(changedInput(inputOf(recipe(input)), changes))

describe('what a command line says otherwise than a recipe', () => {
  it('is as if it had been written in the recipe; what is not named stays', () => {
    const made = changed({
      model: 'other',
      rounds: 5,
      seed: 3,
      set: ['train.optimizer.lr=3e-4', 'train.lora={"rank":4,"alpha":8}', 'objective.beta=0.2'],
    })
    expect(made).toMatchObject({ model: 'other', rounds: 5, seed: 3, objective: { name: 'dpo', params: { beta: 0.2 } } })
    expect(made.train).toMatchObject({ batch: 4, seed: 3, lora: { rank: 4, alpha: 8 } })
    expect(made.train.optimizer.params).toMatchObject({ lr: 3e-4, weightDecay: 0.1 })
    expect(JSON.stringify(changed({}))).toBe(JSON.stringify(recipe(written)))
  })

  it('reaches a prior that was made with functions, and keeps the weights of its goals', () => {
    const prior = goalPrior({ goals: [goals.fluent, goals.complete], strength: 20, weights: { fluent: 1 } })
    const made = changed({ set: ['prior.strength=40'] }, { ...written, prior })
    const direct = goalPrior({ goals: [goals.fluent, goals.complete], strength: 40, weights: { fluent: 1 } })
    expect(made.prior!.strength).toBe(40)
    made.prior!.mean.forEach((mean, i) => {
      expect(mean).toBeCloseTo(direct.mean[i]!, 12)
    })
  })

  it.each([
    ['train.batchh=3', /train: must have no other fields than .*, got batchh; did you mean batch\?/],
    ['train.batch=many', /train\.batch: must be a number, got "many"/],
    ['train.optimizer.lr', /--set: must be path\.to\.field=value, got "train\.optimizer\.lr"/],
    ['model.name=3', /--set model\.name: model must be an object of plain values/],
    ['__proto__.x=1', /must name a field of a recipe/],
    ['objective.gamma=1', /gamma/],
  ])('--set %s is refused', (set, message) => expect(() => changed({ set: [set] })).toThrow(message))
})

it('every mistake of a recipe is said at once, and the nearest goal', () => {
  const wrong = { modell: 'x', preferences: { pairs: 'p' }, train: { batch: 0 }, prior: { goals: ['fluentt'], strength: 1 } }
  const message = (() => {
    try {
      recipe(wrong as never)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  })()
  expect(message.split('\n')[0]).toMatch(/got modell; did you mean model\?/)
  expect(message).toMatch(/train\.batch: must be above 0, got 0/)
  expect(message).toMatch(/prior\.goals\.0: .*got "fluentt"; did you mean fluent\?/)
})
