import { expect, it } from 'vitest'
import { type Edit, openPolicy, type Policy, scoreTrees } from '../policy/index.ts'
import { type RecipeInput, recipe } from '../recipe/index.ts'
import { openModels } from './open-models.ts'

const louder: Edit = (_, x) => x.mul(1.5)
const trees = [{ prompt: [1, 5, 9], completions: [[3, 7, 2], [8]] }]

it.each<[string, RecipeInput['edit'], [boolean, boolean, boolean], boolean]>([
  ['nothing', undefined, [false, false, false], true],
  ['policy and looks, unless it is said otherwise', louder, [true, false, true], false],
  ['all', { apply: louder, at: 'blocks.0.mlp.out', reference: true }, [true, true, true], true],
  ['the reference alone', { apply: louder, reference: true, policy: false, looks: false }, [false, true, false], false],
])('an edit holds for %s', async (_, edit, holds, startsAsReference) => {
  const models = await openModels(
    recipe({ model: 'fixtures/llama-tiny', preferences: { pairs: 'pairs.jsonl' }, ...(edit ? { edit } : {}) }),
  )
  const { engine, checkpoint, trainee, referencePolicy, lookPolicy, reference } = models
  const plain = await scoreTrees(await openPolicy(engine, checkpoint), trees)
  const changed = async (policy: Policy) => (await scoreTrees(policy, trees)).some((logp, i) => Math.abs(logp - plain[i]!) > 1e-3)
  expect([await changed(trainee.policy), await changed(referencePolicy), await changed(lookPolicy)]).toEqual(holds)
  expect(models.startsAsReference).toBe(startsAsReference)
  if (edit) expect((await reference.logps(trees)).some((logp, i) => Math.abs(logp - plain[i]!) > 1e-3)).toBe(holds[1])
  await engine.close()
})
