import { afterAll, describe, expect, it } from 'vitest'
import { openEngine } from '../../engine/index.ts'
import { maximum, stopGradient } from '../../graph/index.ts'
import { adamw, sgd } from '../../train/index.ts'
import { type CaseRecipe, openCase, smallModel, smallPairs } from '../index.ts'
import { properties } from './index.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const [model, examples] = [smallModel(0), smallPairs(0, 8)]

/** A step along the gradient of where a first step leads (SAM with a large radius). */
const lookingAhead: CaseRecipe['optimizer'] = {
  ...sgd({ lr: 1e-2 }),
  async step({ engine, params, grads, backward, update }) {
    const was = await Promise.all(Object.entries(params).map(async ([name, one]) => [name, await engine.read(one)] as const))
    for (const [name, value] of was) {
      const { data } = await engine.read(grads[name]!)
      await engine.write(params[name]!, { ...value, data: Float32Array.from(value.data, (x, i) => x + 0.1 * Math.sign(data[i]!)) })
    }
    await backward()
    for (const [name, value] of was) await engine.write(params[name]!, value)
    await update()
  },
}

/** What holds of a training, in the order of the properties; where it fails, what the reference says must. */
const trainings: readonly { name: string; recipe: CaseRecipe; holds: readonly boolean[]; except?: RegExp }[] = [
  { name: 'plain descent', recipe: { optimizer: sgd({ lr: 1e-2 }) }, holds: [true, true, true, true, true] },
  { name: 'momentum', recipe: { optimizer: sgd({ lr: 1e-2, momentum: 0.9 }) }, holds: [true, false, true, true, true] },
  { name: 'AdamW', recipe: { optimizer: adamw({ lr: 1e-3 }) }, holds: [true, false, true, true, true] },
  { name: 'clipping by value', recipe: { clip: { value: 1e-4 } }, holds: [true, false, true, true, true] },
  { name: 'a stop', recipe: { edit: { at: 'blocks.0.mlp.out', apply: (_, x) => stopGradient(x) } }, holds: [false, true, true, true, true], except: /^blocks\.0\.mlp/ },
  { name: 'dead units', recipe: { edit: { at: 'blocks.1.mlp.out', apply: (_, x) => maximum(x.sub(100), 0) } }, holds: [false, true, true, true, true], except: /^blocks\.1\.mlp/ },
  { name: 'dropout', recipe: { lora: { rank: 2, alpha: 4, dropout: 0.5 }, optimizer: sgd({ lr: 1e-2 }) }, holds: [false, true, false, true, true], except: /^lora\..*\.a$/ },
  { name: 'a step that looks ahead', recipe: { optimizer: lookingAhead }, holds: [true, false, true, false, true] },
] // biome-ignore format: one line

describe('the five properties of gradient descent', () => {
  it.each(properties.map((one) => [one.name, one] as const))('%s says what it claims and where it fails', (_, { claim, fails }) => {
    for (const said of [claim, fails]) expect(said).toMatch(/^[a-z][^\n]*[^.]$/)
  })

  it.each(trainings.map((one) => [one.name, one] as const))('%s', async (_, { recipe, holds, except }) => {
    const target = await openCase(
      engine,
      { name: 'one', about: 'one', fires: [], recipe: () => recipe },
      { model, examples, seed: 0, steps: 2, batch: 2 },
    )
    const seen = []
    for (const property of properties) seen.push(await property.test(target, { seed: 0 }))
    expect(seen.map((one) => `${one.holds} ${one.why}`).map((line) => line.startsWith('true'))).toEqual(holds)
    expect(seen[0]!.exceptions.every((name) => except?.test(name))).toBe(true)
    await target.close()
  })
})
