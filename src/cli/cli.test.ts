import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate, innateJson, writeRows } from '../../test/fake-folder.ts'
import { applyEdit, editTarget, loadCheckpoint, makeEdit, writeEdit } from '../checkpoints/index.ts'
import { tensor } from '../graph/index.ts'
import { loadRecipe } from '../load-recipe.ts'
import { nearDuplicates } from '../preferences/index.ts'
import { createRun } from '../runs/index.ts'
import { verbs } from './verbs.ts'

// Every example of every command is run in a folder that holds what examples may name:
// models/tiny, pairs.jsonl, prompts.jsonl, the recipes train.json and my.ts, and the run runs/x.
let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
  const rows = [
    { prompt: 'Once', chosen: ' upon a time', rejected: ' there was' },
    { prompt: 'The cat', chosen: ' sat down', rejected: ' ran off' },
    { prompt: 'The cat', chosen: ' sat down', rejected: ' sat down' },
  ]
  await writeFile('pairs.jsonl', `${rows.map((row) => JSON.stringify(row)).join('\n')}\nno json\n`)
  const run = await createRun('runs/x', {
    kind: 'train',
    command: 'innate train recipe.json',
    recipe: {},
    objective: { name: 'dpo', params: { beta: 0.1 } },
    model: { name: 'tiny', sha256: 'ab', parameters: 12 },
    seeds: { train: 0 },
    versions: { innate: '0.1.0', node: process.versions.node, onnxruntime: '1.30.0' },
  })
  await run.close({ ended: true })
  await cp(resolve(import.meta.dirname, '../../fixtures/trl-reward'), 'runs/reward/model', { recursive: true })
  await writeRows('subjects.jsonl', 24, (i) => ({ base: `The ${i % 2 ? 'girl' : 'boy'} ${'abcdefgh'[i % 8]}${i} lost`, source: `The ${i % 4 < 2 ? 'man' : 'woman'} ${i} lost`, answer: i % 4 < 2 ? ' his' : ' her', wrong: i % 4 < 2 ? ' her' : ' his' })) // biome-ignore format: one line
  await writeRows('liked.jsonl', 8, (i) => ({ prompt: `Fox ${i}`, completion: ' sang' }))
  await writeRows('disliked.jsonl', 8, (i) => ({ prompt: `Fox ${i}`, completion: ' ran' }))
  await writeRows('target.jsonl', 12, (i) => ({ prompt: `Bird ${i}`, completion: ' sang' }))
  await writeFile('search.json', JSON.stringify({ model: 'models/tiny', target: 'target.jsonl', control: 'rows.jsonl', sites: ['blocks.1.mlp.down'], size: 'rank', success: 0.5, controlKl: 5, steps: 10 })) // biome-ignore format: one line
  await cp('models/tiny', 'models/mine', { recursive: true })
  await writeFile('merge.yml', 'merge_method: linear\nmodels:\n  - model: models/tiny\n  - model: models/mine\nparameters: {weight: 1}\n')
  const { config, hash } = await loadCheckpoint('models/tiny')
  const acts = [{ kind: 'delta', weights: { norm: 'up' } }] as const
  const tensors = { up: tensor(new Float32Array(config.hiddenSize).fill(0.1), [config.hiddenSize]) }
  const d = config.hiddenSize
  const happier = { up: tensor(new Float32Array(d).fill(0.01), [d, 1]), down: tensor(new Float32Array(d).fill(0.02), [1, d]) }
  const lowRank = [{ kind: 'lowRank', weights: { 'blocks.0.attn.q': { up: 'up', down: 'down' } } }] as const
  await writeEdit('happier.safetensors', makeEdit({ name: 'happier', for: editTarget(config, hash), acts: lowRank, tensors: happier }))
  await cp('models/tiny', 'models/happy', { recursive: true })
  await applyEdit('models/happy', 'happier.safetensors')
  await writeEdit('kinder.safetensors', makeEdit({ name: 'kinder', for: editTarget(config, hash), acts, tensors }))
})
afterAll(() => close())

const commands = await Promise.all(Object.entries(verbs).map(async ([verb, load]) => [verb, await load()] as const))

/** An example as it is run here: with the tiny model in the place of one that is large, and without a schema of another vocabulary. */
function small(example: string): string {
  return example
    .replace('HuggingFaceTB/SmolLM2-135M-Instruct', 'models/tiny')
    .replace('chat model.gguf runs/x/model', 'chat models/tiny models/tiny --max-tokens 8')
    .replace('--max-tokens 64', '--max-tokens 8')
    .replace('runs/a/model/adapter', 'adapters/tiny')
    .replace('stories5m stories5m', 'models/tiny stories5m')
    .replace('--set look.sealed=64', '--set look.sealed=5')
    .replace(/\bstories5m (?=Once|--max)/, 'models/tiny ')
    .replace('--model stories5m', '--model models/tiny')
    .replace('edit compare', 'edit compare --ways steering,rome')
    .replace('edit erase', 'edit erase --model models/tiny')
    .replace('edit rome', 'edit rome --model models/tiny --layer 0 --probability 0.5')
    .replace('edit finetune', 'edit finetune --model models/tiny --lr 0.02 --steps 4')
    .replace('edit steer', 'edit steer --model models/tiny --layers 1 --strengths=-1,1 --steps 3')
}

describe.each(commands)('innate %s', (verb, command) => {
  it('is called by its own name, and says what it does in one sentence', async () => {
    expect(command.name).toBe(verb)
    expect(command.about).toMatch(/^[A-Z][^\n]*\.$/)
    const { code, out } = await innate(`${verb} --help`)
    expect(code).toBe(0)
    for (const example of command.examples) expect(out).toContain(`innate ${example}`)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  it.each(command.examples)('%s', async (example) => {
    const { code, out, err } = await innate(small(example))
    expect({ code, err }).toMatchObject({ code: expect.toBeOneOf([0, 3, 4]), err: expect.not.stringContaining('innate:') })
    expect(out).not.toBe('')
    if (/--json\b(?!-)/.test(example)) for (const line of out.trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  })
})

describe('what the verbs leave', () => {
  it('sample --best-of: the completion with the highest score of each n, its scores, and the bound of its KL', async () => {
    const of = async (n: number) => {
      const { out } = await innate(`sample --model models/tiny --max-tokens 4 --seed 3 --best-of ${n} --reward runs/reward/model --json`)
      return out.trimEnd().split('\n').map((line) => JSON.parse(line)) // biome-ignore format: one line
    }
    const [every, chosen] = [await of(1), await of(6)]
    for (const [i, { reward, scores, bestOf, klBound, rewardSd }] of chosen.entries()) {
      expect([reward, bestOf, scores.length, rewardSd]).toEqual([Math.max(...scores), 6, 6, null])
      expect(klBound).toBeCloseTo(Math.log(6) - 5 / 6, 12)
      // The first of six is the one that alone is drawn first.
      expect(scores[0]).toBe(every[i].reward)
    }
    expect(every[0]).toMatchObject({ bestOf: 1, klBound: 0, scores: [every[0].reward] })
    const { out, err } = await innate('sample --model models/tiny --max-tokens 4 --best-of 6 --reward runs/reward/model')
    expect(out).toMatch(/reward -?\d+\.\d\d, the best of 6, whose mean is -?\d+\.\d\d/)
    expect(err).toContain('the best of 6 is 0.958 nats a completion from the model where no two scores are equal, log 6 − 5/6')
    expect(await innate('sample --model models/tiny --best-of 4')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--best-of: needs a reward'),
    })
    expect(await innate('sample --model models/tiny --best-of 4 --reward models/tiny')).toMatchObject({ code: 2 })
  })

  it('report: a page in the run folder', async () => {
    expect(await innateJson('report runs/x --inspect x.eval')).toMatchObject({ rows: [{ run: 'runs/x', inspect: 'x.eval' }] })
    expect(Object.keys(unzipSync(await readFile('x.eval')))).toContain('header.json')
    expect(await readFile('runs/x/report.html', 'utf8')).toContain('Not begun')
    expect(await innate('report runs/y')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/runs\/y: a run folder holds manifest.json, got none/),
    })
  })

  it('pairs check: counts, and the rows set aside with line and reason', async () => {
    const { out } = await innate('pairs check pairs.jsonl --model models/tiny --json --quarantine aside.jsonl')
    expect(JSON.parse(out)).toMatchObject({ kind: 'pairs', rows: 4, usable: 2, quarantine: 'aside.jsonl' })
    const aside = (await readFile('aside.jsonl', 'utf8')).trimEnd().split('\n')
    expect(aside.map((line) => JSON.parse(line))).toMatchObject([
      { line: 3, reason: 'identical sides' },
      { line: 4, reason: 'bad JSON' },
    ])
    expect((await innate('pairs check nowhere.jsonl --model models/tiny')).code).toBe(2)
  })

  it('init: for a model that talks its prompts are messages, dealt into parts that share no near duplicate', async () => {
    await mkdir('chatty')
    await writeFile('chatty/chat_template.jinja', '{{ messages[0].content }}')
    expect((await innate('init talking --model chatty --judge command')).code).toBe(0)
    const recipe = await loadRecipe('talking/my.ts')
    expect(recipe.prior!.goals.map(({ name }) => name)).toEqual(['brief', 'complete'])
    const prompts = (await readFile('talking/prompts.jsonl', 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).prompt)
    expect(prompts[0]).toEqual([{ role: 'user', content: expect.any(String) }])
    const groups = nearDuplicates(prompts.map(([{ content }]) => content))
    expect(groups.length).toBeGreaterThanOrEqual(recipe.look.development + recipe.look.sealed + 64)
    expect(await readFile('talking/judge.mjs', 'utf8')).toContain('worth(a) - worth(b)')
  })

  it('init: a recipe and prompts, and never over what is there', async () => {
    expect((await innate('init starter')).code).toBe(0)
    const prompts = (await readFile('starter/prompts.jsonl', 'utf8')).trimEnd().split('\n')
    expect(new Set(prompts).size).toBe(576)
    const recipe = await loadRecipe('starter/my.ts')
    expect(recipe).toMatchObject({ model: 'stories5m', rounds: 3, preferences: { prompts: resolve('starter/prompts.jsonl') } })
    expect(recipe.prior!.goals.map(({ name }) => name)).toEqual(['dialogue', 'complete', 'fluent'])
    // What examples of --help name is there, but for what they write.
    const named = (await Promise.all(commands.map(async ([, { examples }]) => examples)))
      .flat()
      .flatMap((example) => example.replace(/--to \S+/g, '').match(/\b\w+\.(ts|json|jsonl)\b/g) ?? [])
    for (const file of new Set(named)) expect(existsSync(`starter/${file}`), file).toBe(true)
    expect(await loadRecipe('starter/train.json')).toMatchObject({ preferences: { pairs: resolve('starter/pairs.jsonl') } })
    expect(await loadRecipe('starter/drest.json')).toMatchObject({ preferences: { kind: 'tasks', file: resolve('starter/tasks.jsonl') } })
    expect(JSON.parse((await innate('pairs check starter/pairs.jsonl --model models/tiny --json')).out)).toMatchObject({ rows: 48 })
    // Enough prompts for both looks of the recipe, and twice those of a round to train on.
    expect(prompts.length).toBeGreaterThanOrEqual(recipe.look.development + recipe.look.sealed + 2 * 112)
    expect(await innate('init starter')).toMatchObject({
      code: 2,
      err: expect.stringContaining(
        'my.ts and prompts.jsonl and train.json and pairs.jsonl and rows.jsonl and liked.jsonl and disliked.jsonl and subjects.jsonl and target.jsonl and search.json and schema.json and world.json and tasks.jsonl and drest.json and grid.json and judge.mjs and package.json already there',
      ),
    })
  })
})
