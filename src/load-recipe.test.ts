import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { trainRun } from './align/index.ts'
import { hashFile } from './files/index.ts'
import { type Probes, saveProbes } from './goals/index.ts'
import { UserError } from './graph/index.ts'
import { loadRecipe } from './load-recipe.ts'
import { recipe } from './recipe/index.ts'
import { manifestSchema } from './runs/index.ts'

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

  it('may name a goal as a file that exports one function, TypeScript or JavaScript, beside it', async () => {
    await written('calm.ts', 'export default ({ text }: { text: string }) => (text.includes("!") ? 0 : 1)\nexport const range = [0, 1]\n')
    await written('loud.mjs', 'export default ({ text }) => text.split("!").length - 1\nexport const direction = -1\n')
    await written('schema.json', '{ "type": "object" }')
    const goals = ['kind', { file: 'calm.ts' }, { file: 'loud.mjs', as: 'marks', range: [0, 9] }, { name: 'json', schema: 'schema.json' }]
    const given = { ...asked({ judge: { goals: { calm: 1 } } }), prior: { goals, strength: 1 }, gold: { file: 'calm.ts', as: 'gold one' } }
    await expect(loadRecipe(await written('both.json', JSON.stringify(given)))).rejects.toThrow('gold: must be another measure than calm')
    const { prior } = await loadRecipe(await written('goals.json', JSON.stringify({ ...given, gold: 'length' })))
    const [, calm, marks, json] = prior!.goals
    const sample = { prompt: '', text: '{"a": "No!"}', tokens: 1, ended: true }
    expect([calm!.name, calm!.range, calm!.measure(sample)]).toEqual(['calm', [0, 1], 0])
    expect([marks!.name, marks!.range, marks!.direction, marks!.measure(sample)]).toEqual(['marks', [0, 9], -1, 1])
    expect(json!.measure(sample)).toBe(1)
    await written('none.mjs', 'export const measure = 1\n')
    const wrong = (goal: object) =>
      written('wrong.json', JSON.stringify({ ...given, gold: 'length', prior: { goals: [goal], strength: 1 } }))
    await expect(loadRecipe(await wrong({ file: 'none.mjs' }))).rejects.toThrow('none.mjs: must export a function of a sample as default, got undefined') // biome-ignore format: one line
    await expect(loadRecipe(await wrong({ file: 'gone.mjs' }))).rejects.toThrow('goal gone.mjs: its file must be there, got none')
    await expect(loadRecipe(await wrong({ file: 'calm.ts', tap: 'x' }))).rejects.toThrow('goal calm.ts: must have no other fields than as')
  })

  it('may name data sets of the Hub, which are no paths; a folder that is there is one', async () => {
    const at = async (preferences: object, look = {}) =>
      loadRecipe(await written('hub.json', JSON.stringify({ model: 'M', preferences, look })))
    const judge = { command: 'node judge.mjs', keep: 'votes.jsonl' }
    expect(await at({ prompts: 'me/prompts:test', judge }, { texts: 'me/texts' })).toMatchObject({
      preferences: { prompts: 'me/prompts:test' },
      look: { texts: 'me/texts' },
    })
    expect((await at({ pairs: 'me/pairs@v1' })).preferences).toMatchObject({ pairs: 'me/pairs@v1' })
    await mkdir(join(folder, 'me'))
    await written('me/pairs', '')
    expect((await at({ pairs: 'me/pairs' })).preferences).toMatchObject({ pairs: join(folder, 'me/pairs') })
    await rm(join(folder, 'me'), { recursive: true })
  })

  it('finds the votes of a judge beside it too', async () => {
    await written('votes.jsonl', '')
    const path = await written('votes.json', JSON.stringify({ ...asked({ judge: { votes: 'votes.jsonl' } }) }))
    expect((await loadRecipe(path)).preferences).toMatchObject({ judge: { name: join(folder, 'votes.jsonl') } })
  })

  it('finds probes and rows that its code names beside it; the run has their hashes, and does not go on with others', async () => {
    const probes: Probes = {
      format: 'innate probes 1',
      kind: 'logistic',
      model: { name: 'tiny', sha256: 'ab' },
      pool: 'mean',
      labels: ['a', 'b'],
      probes: [{ tap: 'blocks.0.out', weight: [Array.from({ length: 64 }, () => 0.1)], bias: [0], accuracy: 1 }],
    }
    await saveProbes(join(folder, 'probes.json'), probes)
    await written('rows.jsonl', ['a', 'b'].map((label) => JSON.stringify({ text: `a text ${label}`, label })).join('\n'))
    const pair = (i: number) => JSON.stringify({ prompt: `The fox ${i}`, chosen: ' sang', rejected: ' ran' })
    await written('fox.jsonl', [1, 2, 3, 4].map(pair).join('\n'))
    const path = await written(
      'probed.ts',
      `import { goalPrior, mean, probeGoal, recipe } from 'innate'
import { loadProbes, probePenalty, refit } from 'innate/whitebox'
const choice = { tap: 'blocks.0.out', label: 'b' }
const penalty = probePenalty(await loadProbes('probes.json'), choice)
export default recipe({
  model: ${JSON.stringify(resolve('fixtures/llama-tiny'))},
  prior: goalPrior({ goals: [probeGoal('probes.json', choice)], strength: 5 }),
  preferences: { pairs: 'fox.jsonl' },
  loss: ({ objective, perExample }) => objective.add(mean(perExample(penalty, 'all')).mul(0.1)),
  train: { batch: 4, epochs: 1 },
  inside: [refit('probes.json', { ...choice, rows: 'rows.jsonl' })],
})`,
    )
    const [one, other] = [join(folder, 'probes.json'), join(folder, 'rows.jsonl')]
    const found = await loadRecipe(path)
    expect(found.files).toEqual([one, other])
    const { prior: _, ...trained } = { ...found, inside: false as const, run: join(folder, 'run') }
    await trainRun(trained)
    const { files } = manifestSchema.parse(JSON.parse(await readFile(join(folder, 'run/manifest.json'), 'utf8')))
    expect(files).toEqual(await Promise.all([one, other].map(async (name) => ({ name, sha256: await hashFile(name) }))))
    await writeFile(other, `${await readFile(other, 'utf8')}\n`)
    await expect(trainRun(trained, { resume: true })).rejects.toThrow('a run must go on with what it began with, got another files.1')
    await rm(other)
    await expect(trainRun({ ...trained, run: join(folder, 'gone') })).rejects.toThrow(
      'rows.jsonl: must be there, since the recipe names it',
    )
  })

  it('a run does not go on under another closure of one loss, whose text is the same', async () => {
    const pair = (i: number) => JSON.stringify({ prompt: `The fox ${i}`, chosen: ' sang', rejected: ' ran' })
    const pairs = await written('closures.jsonl', [1, 2, 3, 4].map(pair).join('\n'))
    const made = (weight: number) =>
      recipe({
        model: resolve('fixtures/llama-tiny'),
        preferences: { pairs },
        loss: ({ objective, kl }) => objective.add(kl.mul(weight)),
        train: { batch: 4, epochs: 1 },
        inside: false,
        run: join(folder, 'closures'),
      })
    await trainRun(made(0.1))
    await expect(trainRun(made(0.2), { resume: true })).rejects.toThrow(
      'closures: a run must go on with what it began with, got another loss, as it is traced',
    )
    await trainRun(made(0.1), { resume: true })
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
