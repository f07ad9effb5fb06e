import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadRecipe } from 'innate'
import { expect, it } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const recipes = ['recipe.ts', 'grpo.ts', ...readdirSync(`${folder}controls`).map((name) => `controls/${name}`)]

it.each(recipes)('%s loads, and its prompts are there', async (name) => {
  const { preferences } = await loadRecipe(folder + name)
  expect(preferences).toMatchObject({
    kind: expect.stringMatching(/^(onPolicy|rewarded)$/),
    prompts: expect.stringMatching(/prompts\.jsonl$/),
  })
  expect(existsSync((preferences as { prompts: string }).prompts)).toBe(true)
})
