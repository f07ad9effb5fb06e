import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { UserError } from '../graph/index.ts'
import { freshParams, type Lora } from '../models/index.ts'
import { type Example, type Objective, objectiveFrom, objectives, type Unscored } from '../objectives/index.ts'
import { openPolicy, openTrainee } from '../policy/index.ts'
import { openReference } from '../policy/reference.ts'
import { loadPairs, pairTree } from '../preferences/index.ts'
import { withHead } from '../rewards/index.ts'
import { sgd } from './sgd.ts'
import { train } from './train.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
const small = pairs.map(pairTree).map(({ prompt, completions }) => ({
  prompt: prompt.slice(0, 6),
  completions: completions.map((ids) => ids.slice(0, 5)),
}))
/** One small block is enough to tell whether a step is taken. */
const config = { ...checkpoint.config, layers: 1, hiddenSize: 8, heads: 1, kvHeads: 1, headDim: 8, intermediateSize: 8 }
const one = { ...checkpoint, config, params: freshParams(config, 1) }
const reference = await openPolicy(engine, one)
/** The same with the head of a reward model, for objectives that train one. */
const scorer = await withHead(one)
const scorerPolicy = await openPolicy(engine, scorer)

/** So many rows of what an objective is trained on. */
function rowsFor({ kind }: Objective, rows: number): Unscored[] {
  const all = small.map((tree, i): Unscored => ({ tree, label: 1, rewards: [i % 2, 1] }))
  const first = ({ tree: { prompt, completions }, label }: Unscored) => ({ tree: { prompt, completions: completions.slice(0, 1) }, label })
  if (kind.name === 'scoredGroups') return all.slice(0, rows).map((row, i) => ({ ...row, rewards: [i % 2, 2] }))
  if (kind.name === 'scoredLabels')
    return all
      .map(first)
      .map((row) => ({ ...row, label: 0.75 }))
      .slice(0, rows)
  if (kind.name === 'scoredSteps')
    return all
      .map(first)
      .map((row) => ({ ...row, steps: inTwo(row.tree.completions[0]!.length) }))
      .slice(0, rows)
  const own = kind.sides === 1 ? (kind.ofPair ? all.flatMap(kind.ofPair) : all.map(first)) : all
  return own.slice(0, rows)
}

/** Two steps of a completion of so many tokens, of which the first is right. */
const inTwo = (tokens: number) => [
  { end: 1, label: 1 },
  { end: tokens, label: 0 },
]

const adapters: Record<string, Omit<Lora, 'seed'> | undefined> = {
  full: undefined,
  LoRA: { rank: 2, alpha: 4 },
  DoRA: { rank: 2, alpha: 4, dora: true },
  dropout: { rank: 2, alpha: 4, dropout: 0.3 },
}

describe.each(Object.entries(adapters))('%s', async (_, lora) => {
  const how = { ...(lora ? { lora } : {}), seed: 0 }
  const [speaking, scoring] = [await openTrainee(reference, one, how), await openTrainee(scorerPolicy, scorer, how)]

  // With adapters one of each way to be fed is enough.
  const others = Object.keys(objectives).filter(
    (name) => !/^(robust|hinge|exo|nca|bco|sppo|aotUnpaired|apo.*|discopop|sigmoidNorm|dpop|cpo|sft)$/.test(name),
  )
  const counts = lora ? [9] : [1, 7, 8, 9]
  it.each(lora ? others : Object.keys(objectives))(
    `%s trains on ${counts} rows, from an empty cache and a full one, or says before the first step why not`,
    async (name) => {
      const objective = objectiveFrom({ name })
      const trainee = objective.kind.scores ? scoring : speaking
      for (const rows of counts) {
        const folder = await mkdtemp(join(tmpdir(), 'innate-cache-'))
        const losses: number[][] = []
        for (const cache of ['cold', 'warm']) {
          await trainee.reset()
          const cached = await openReference(reference, 'tiny', folder)
          const unscored = rowsFor(objective, rows)
          const logps = await cached.logps(unscored.map(({ tree }) => tree))
          let slot = 0
          const examples = unscored.map((row): Example => ({ ...row, reference: row.tree.completions.map(() => logps[slot++]!) }))
          const seen: number[] = []
          const run = train({
            ...{ policy: trainee.policy, objective, examples, optimizer: sgd({ lr: 0.01 }), clip: 1, batch: 8, epochs: 1, seed: 0 },
            ...(objective.needs.includes('teacher') ? { teacher: reference } : {}),
            schedule: { name: 'constant', warmup: 0 },
            referenceOf: cached.logps,
            onStep: ({ loss }) => void seen.push(loss),
          })
          if (rows === 1 && objective.kind.fewest > 1) {
            await expect(run).rejects.toThrow(UserError)
            expect(seen, cache).toEqual([])
            continue
          }
          const { done, steps } = await run
          expect([done, seen.length], `${rows} rows, ${cache}`).toEqual([steps, rows === 9 && objective.kind.fewest === 1 ? 2 : 1])
          losses.push(seen)
        }
        expect(losses[1]).toEqual(losses[0])
      }
    },
  )
})

it('a warmup that is longer than the run is refused before the first step', async () => {
  const examples = rowsFor(objectives.nextToken(), 3).map((row): Example => ({ ...row, reference: [] }))
  const run = (warmup: number) =>
    train({
      ...{
        policy: reference,
        objective: objectives.nextToken(),
        examples,
        optimizer: sgd({ lr: 1e-9 }),
        clip: 1,
        batch: 1,
        epochs: 1,
        seed: 0,
      },
      schedule: { name: 'linear', warmup },
      referenceOf: async () => [],
    })
  await expect(run(4)).rejects.toThrow(
    "train.schedule.warmup: must be at most the run's 3 steps, so that the learning rate is reached, got 4",
  )
  expect(await run(3)).toEqual({ done: 3, steps: 3 })
})
