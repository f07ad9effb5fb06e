import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { atMost } from '../accept/index.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { goal, simulatedVoter } from '../goals/index.ts'
import { tensor } from '../graph/index.ts'
import { type Edit, openModel } from '../policy/index.ts'
import { onPolicy, recipe } from '../recipe/recipe.ts'
import { evaluationSchema, openRun, sampleSchema } from '../runs/index.ts'
import { align } from './align.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-edited-policy-'))
  process.env.INNATE_CACHE = join(folder, 'cache')
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

it('an edit that is a function holds in all that align samples, trains and looks at, not in the reference, nor in the model it saves', async () => {
  const { config, params, tokenizer } = await loadCheckpoint('fixtures/llama-tiny')
  const d = config.hiddenSize
  // Along the row of one token, so that its logit rises by 8 and it is nearly always said.
  const token = tokenizer.encode(' fox').at(-1)!
  const said = tokenizer.decode([token]).trim()
  const row = Array.from(params.embed.data.slice(token * d, (token + 1) * d))
  const push = tensor(
    Float32Array.from(row, (x) => (8 * x) / row.reduce((sum, y) => sum + y * y, 0)),
    [d],
  )
  const apply: Edit = (_, x, at) => x.add(at.input('push', [d]))
  const seen = goal('length', ({ text }) => text.length, { about: 'characters' })
  const voter = simulatedVoter({ about: 'likes length', utility: (sample) => seen.measure(sample), votesPerPair: 3 })
  const made = recipe({
    model: 'fixtures/llama-tiny',
    edit: { apply, at: 'final', feeds: () => ({ push }) },
    preferences: onPolicy({ prompts: Array.from({ length: 20 }, (_, i) => `Once there was ${String.fromCharCode(97 + i)}${i}`), perPrompt: 4, promptsPerRound: 4, maxTokens: 8, judge: voter }), // biome-ignore format: one line
    train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 8 },
    accept: { shareEnded: atMost(1) },
    look: { development: 4, sealed: 4 },
    rounds: 1,
    run: join(folder, 'run'),
  })
  const { verdict, model } = await align(made)
  expect(verdict).toBe('accepted')
  const run = await openRun(made.run!)
  const count = (text: string) => text.split(said).length - 1
  const [policy, reference] = [0, 0].map((_, side) => async (look: string) => {
    const rows = await run.readRows(`${look}/samples.jsonl`, sampleSchema)
    const texts = rows.map((one) => (side === 0 ? one.policy : one.reference))
    return texts.reduce((sum, { text }) => sum + count(text), 0) / texts.reduce((sum, { tokens }) => sum + tokens, 0)
  }) as [(look: string) => Promise<number>, (look: string) => Promise<number>]
  for (const look of ['rounds/01', 'sealed']) {
    expect(await policy(look)).toBeGreaterThan(0.5)
    expect(await reference(look)).toBeLessThan(0.2)
  }
  const { measures } = await run.read('sealed/evaluation.json', evaluationSchema)
  expect(measures.klFromReference!.estimate).toBeGreaterThan(5)

  const saved = await openModel(model!)
  try {
    const plain = await saved.generate('Once there was', { maxTokens: 8, temperature: 1 })
    expect(count(plain.text)).toBeLessThan(3)
    const under = await saved.with(apply, { at: 'final', feeds: () => ({ push }) }).generate('Once there was', { maxTokens: 8, temperature: 1 }) // biome-ignore format: one line
    expect(count(under.text)).toBeGreaterThan(3)
  } finally {
    await saved.close()
  }
})
