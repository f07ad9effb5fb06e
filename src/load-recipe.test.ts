import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserError } from './graph/index.ts'
import { loadRecipe } from './load-recipe.ts'

const asked = (more: object = {}) => ({ model: 'M', preferences: { prompts: ['a'], judge: { goals: { kind: 1 } }, ...more } })

describe('a recipe’s file', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'innate-recipe-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function written(name: string, text: string): Promise<string> {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }

  it('may be TypeScript that imports the library and its own files; paths are looked for beside it', async () => {
    await written('pairs.jsonl', '')
    await written('taste.ts', 'export const rate: number = 3e-4\n')
    const path = await written(
      'my.ts',
      `import { adamw, recipe } from 'innate'
import { mean } from 'innate/graph'
import { rate } from './taste.ts'
export default recipe({
  model: 'stories15m',
  preferences: { pairs: 'pairs.jsonl' },
  loss: ({ objective, margin }) => objective.add(mean(margin)),
  train: { optimizer: adamw({ lr: rate }) },
})`,
    )
    const { model, preferences, train, loss } = await loadRecipe(path)
    expect({ model, preferences }).toMatchObject({ model: 'stories15m', preferences: { pairs: join(folder, 'pairs.jsonl') } })
    expect(train.optimizer.params.lr).toBe(3e-4)
    expect(loss).toBeTypeOf('function')
  })

  it('finds the votes of a judge beside it too', async () => {
    await written('votes.jsonl', '')
    const path = await written('votes.json', JSON.stringify({ ...asked({ judge: { votes: 'votes.jsonl' } }) }))
    expect((await loadRecipe(path)).preferences).toMatchObject({ judge: { name: join(folder, 'votes.jsonl') } })
  })

  const broken: [string, string, RegExp][] = [
    ['typo.json', '{"model":"M","preferences":{"pairs":"x"},"sed":1}', /typo\.json: recipe: must have .* got sed; did you mean seed\?/],
    ['torn.json', '{"model":"M",', /torn\.json: must be JSON, got .*; mend it, or write the recipe in TypeScript/],
    ['none.ts', 'export const x = 1', /none\.ts: must export a recipe as default, got none; end with: export default recipe/],
    ['throws.ts', '\n\nthrow new Error("no luck")', /throws\.ts:3: must load, got no luck/],
    [
      'name.ts',
      'export default commandJudge("x")',
      /name\.ts:1: must load, got commandJudge is not defined; import it: import { commandJudge } from 'innate'$/,
    ],
    ['syntax.ts', 'const a = 1\nexport default {', /syntax\.ts:2: must load, got /],
    [
      'import.ts',
      'import { recipe } from "innate"\nimport { nothing } from "innat"\nexport default nothing',
      /import\.ts:2: must load, got .*innat/,
    ],
    ['field.ts', 'import { recipe } from "innate"\nexport default recipe({ model: 3 })', /field\.ts: .*model: must be text, got 3/],
  ]
  it.each(broken)('%s is refused', async (name, text, message) => {
    const loading = loadRecipe(await written(name, text))
    await expect(loading).rejects.toThrow(UserError)
    await expect(loading).rejects.toThrow(message)
  })

  it('must be there', async () => {
    await expect(loadRecipe(join(folder, 'nowhere.json'))).rejects.toThrow(/nowhere\.json: a recipe must be there, got no such file/)
  })
})
