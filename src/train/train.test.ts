import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint, readSafetensors } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { log, sum } from '../graph/index.ts'
import { type CustomLoss, distil, dpo, type Example, ipo, kto, nextToken, type Objective, rloo, simpo } from '../objectives/index.ts'
import { openPolicy, scoreTrees, textTree } from '../policy/index.ts'
import { loadPairs, pairTree } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import { adamw } from './adamw.ts'
import { type Training, train } from './train.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

/** A fresh copy of the tiny model with TRL's pairs, ready to train. */
async function tiny(objective: Objective, more: Partial<Training> = {}) {
  const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
  const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
  const policy = await openPolicy(engine, checkpoint)
  const trees = pairs.map(pairTree)
  const reference = await scoreTrees(policy, trees)
  const examples = trees.map((tree, i): Example => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: 1 }))
  const steps: Metrics[] = []
  const training: Training = {
    policy,
    objective,
    examples,
    optimizer: adamw({ lr: 5e-4 }),
    schedule: { name: 'constant', warmup: 0 },
    clip: 1,
    batch: 8,
    epochs: 3,
    seed: 0,
    shuffle: false,
    referenceOf: async () => [],
    onStep: (metrics) => {
      steps.push(metrics)
    },
    ...more,
  }
  return { checkpoint, policy, trees, examples, reference, steps, training }
}

describe.each([
  ['trl-sigmoid', dpo({ beta: 0.1 })],
  ['trl-ipo', ipo({ beta: 0.1, form: 'perToken' })],
] as const)('30 steps of %s', (name, objective) => {
  it('losses within 1e-3 relative, final log-probabilities within 1e-2 nats', async () => {
    const golden = JSON.parse(await readFile(`fixtures/${name}/golden.json`, 'utf8'))
    const { training, steps, policy, trees, reference } = await tiny(objective)
    const { done } = await train(training)
    expect(done).toBe(30)
    const pairs = (side: 0 | 1, values: readonly number[]) => values.filter((_, i) => i % 2 === side)
    expect(worst(pairs(0, reference), golden.referenceLogps.chosen)).toBeLessThan(1e-3)
    expect(Math.max(...steps.map(({ loss }, i) => Math.abs(loss / golden.losses[i] - 1)))).toBeLessThan(1e-3)
    expect(Math.max(...steps.map(({ gradNorm }, i) => Math.abs(gradNorm / golden.gradNorms[i] - 1)))).toBeLessThan(1e-2)
    const final = await scoreTrees(policy, trees)
    expect(worst(pairs(0, final), golden.finalLogps.chosen)).toBeLessThan(1e-2)
    expect(worst(pairs(1, final), golden.finalLogps.rejected)).toBeLessThan(1e-2)
  })
})

describe.each([
  ['dpo', dpo()],
  ['simpo', simpo()],
  ['kto', kto()],
] as const)('%s', (_, objective) => {
  it('accumulation over micro-batches equals the big batch', async () => {
    const run = async (tokenBudget: number) => {
      const { training, steps, examples, policy, reference } = await tiny(objective, { tokenBudget, maxSteps: 3 })
      const own = examples.flatMap((pair) => objective.kind.ofPair!(pair).map((one) => ({ pair, one })))
      const singles = own.map(({ pair, one }): Example => {
        const { completions } = pair.tree
        return { ...one, reference: one.tree.completions.map((ids) => pair.reference[completions.indexOf(ids)]!) }
      })
      expect(reference.length).toBeGreaterThan(0)
      const start = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
      await train({ ...training, examples: singles, referenceOf: (trees) => scoreTrees(start, trees) })
      return { steps, norm: await engine.read(policy.params.norm) }
    }
    const [whole, parts] = [await run(4096), await run(192)]
    expect(whole.steps.length).toBe(3)
    whole.steps.forEach((step, i) => {
      expect(parts.steps[i]!.loss).toBeCloseTo(step.loss, 5)
      expect(parts.steps[i]!.gradNorm / step.gradNorm).toBeCloseTo(1, 4)
    })
    expect(worst(Array.from(parts.norm.data), Array.from(whole.norm.data))).toBeLessThan(1e-5)
  })
})

/** Groups of the tiny model's pairs, of two completions and of four, each with its rewards. */
function groupsOf(examples: readonly Example[]): Example[] {
  const pairs = examples.slice(0, 8).map((pair, i): Example => ({ ...pair, rewards: [i % 3, 1] }))
  const [a, b] = [examples[8]!, examples[9]!]
  const completions = [...a.tree.completions, ...b.tree.completions]
  return [...pairs, { tree: { prompt: a.tree.prompt, completions }, reference: [], label: 1, rewards: [1, 0, 0, 3] }]
}

describe('rloo, on groups with rewards', () => {
  it('raises what was rewarded above the others, whatever the micro-batches, and logs what the rewards were', async () => {
    const run = async (tokenBudget: number) => {
      const { training, steps, examples, policy } = await tiny(rloo(), { tokenBudget, batch: 3, epochs: 1 })
      const groups = groupsOf(examples)
      const trees = groups.map(({ tree }) => tree)
      const reference = await scoreTrees(policy, trees)
      let slot = 0
      const scored = groups.map((group) => ({ ...group, reference: group.tree.completions.map(() => reference[slot++]!) }))
      await train({ ...training, examples: scored })
      const after = await scoreTrees(policy, trees)
      return { steps, moved: after.map((logp, i) => logp - reference[i]!), advantages: groups.flatMap(advantagesOf) }
    }
    const [whole, parts] = [await run(4096), await run(128)]
    expect(whole.steps.length).toBe(3)
    expect(whole.steps.map(({ zeroVarianceGroups }) => zeroVarianceGroups)).toEqual([1 / 3, 1 / 3, 1 / 3])
    expect(whole.steps[2]!.reward).toBeCloseTo((0 + 1 + 1 + 1 + 1 + 0 + 0 + 3) / 8, 12)
    whole.steps.forEach((step, i) => {
      expect(parts.steps[i]!.loss).toBeCloseTo(step.loss, 4)
      expect(parts.steps[i]!.gradNorm / step.gradNorm).toBeCloseTo(1, 4)
    })
    const gained = whole.moved.reduce((sum, moved, i) => sum + moved * whole.advantages[i]!, 0)
    expect(gained).toBeGreaterThan(1)
  })

  const advantagesOf = ({ rewards = [] }: Example) => {
    const total = rewards.reduce((a, b) => a + b, 0)
    return rewards.map((r) => r - (total - r) / (rewards.length - 1))
  }
})

describe('distil', () => {
  it('from a teacher that is the student costs its entropy and moves nothing; two texts that are alike count twice, whatever the micro-batches', async () => {
    const texts = [0, 1, 0, 2].map(
      (k): Example => ({ tree: textTree(Array.from({ length: 12 + k }, (_, i) => (7 * i + k) % 300)), reference: [], label: 1 }),
    )
    const run = async (tokenBudget: number, more: Partial<Example> = {}) => {
      const teacher = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
      const examples = texts.map((text) => ({ ...text, ...more }))
      const { training, steps } = await tiny(distil(), { tokenBudget, teacher, examples, batch: 4, epochs: 1 })
      await train(training)
      return steps[0]!
    }
    const [whole, parts] = [await run(4096), await run(32)]
    expect(whole.gradNorm).toBeLessThan(1e-4)
    expect(whole.loss).toBeGreaterThan(1)
    expect(parts.loss).toBeCloseTo(whole.loss, 5)
    const { training, steps } = await tiny(nextToken(), { examples: texts, batch: 4, epochs: 1 })
    await train(training)
    const untrusted = texts.map((text) => ({ ...text, trust: text.tree.completions[0]!.map(() => 0) }))
    const alone = await tiny(distil(), { examples: untrusted, teacher: training.policy, batch: 4, epochs: 1 })
    await train(alone.training)
    expect(alone.steps[0]!.loss).toBeCloseTo(steps[0]!.loss, 5)
    expect(alone.steps[0]!.gradNorm / steps[0]!.gradNorm).toBeCloseTo(1, 4)
  })

  it('refuses to go without a teacher, with one of another vocabulary, and with trust for other tokens', async () => {
    const examples: Example[] = [{ tree: textTree([1, 2, 3]), reference: [], label: 1 }]
    const { training, policy } = await tiny(distil(), { examples })
    await expect(train(training)).rejects.toThrow('train: must have a teacher for distil, got none')
    const teacher = { ...policy, config: { ...policy.config, vocabSize: 7 } }
    await expect(train({ ...training, teacher })).rejects.toThrow('train.teacher: must have the student')
    await expect(train({ ...training, examples: [{ ...examples[0]!, trust: [1] }] })).rejects.toThrow(
      'one trust for each of 2 tokens, got 1',
    )
  })
})

describe('what cannot be trained on is said before the first step', () => {
  const of = async (rows: number, batch: number) => {
    const { training, examples, steps } = await tiny(kto(), { batch, epochs: 1 })
    const singles = examples.flatMap((pair) => kto().kind.ofPair!(pair).map((one, k) => ({ ...one, reference: [pair.reference[k]!] })))
    const start = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
    await train({ ...training, examples: singles.slice(0, rows), referenceOf: (trees) => scoreTrees(start, trees) })
    return steps
  }

  it('kto of one row, and in batches of one', async () => {
    await expect(of(1, 8)).rejects.toThrow('train: kto needs at least 2 completions')
    await expect(of(9, 1)).rejects.toThrow('train.batch: must be 2 or more for kto, got 1')
  })

  it('a last row that would be alone joins the step before it', async () => {
    expect((await of(9, 8)).map(({ step }) => step)).toEqual([1])
    expect((await of(10, 8)).map(({ step }) => step)).toEqual([1, 2])
  })
})

it('two closures of one loss factory do not share a program', async () => {
  const times =
    (weight: number): CustomLoss =>
    ({ objective }) =>
      objective.mul(weight)
  const still = { optimizer: adamw({ lr: 1e-12 }), maxSteps: 1 }
  const first = await tiny(dpo(), { loss: times(1), ...still })
  await train(first.training)
  const second = { ...first.training, loss: times(2) }
  await train(second)
  const [one, two] = first.steps
  expect(two!.loss / one!.loss).toBeCloseTo(2, 5)
})

it('twenty steps of nextToken equal PyTorch’s (fixtures/adamw20, by oracle/): losses within 1e-4, whatever the micro-batches', async () => {
  const golden = JSON.parse(await readFile('fixtures/adamw20/golden.json', 'utf8'))
  const examples = (golden.tokens as number[][]).map((row): Example => ({ tree: textTree(row), reference: [], label: 1 }))
  const course = { batch: 2, epochs: 20, optimizer: adamw({ lr: 1e-3, weightDecay: 0.01 }) }
  for (const tokenBudget of [1536, 32]) {
    const { training, steps } = await tiny(nextToken(), { ...course, examples, tokenBudget })
    await train(training)
    expect(steps.map(({ tokens }) => tokens)).toEqual(Array.from({ length: 20 }, () => 46))
    expect(Math.max(...steps.map(({ loss }, i) => Math.abs(loss / golden.losses[i] - 1)))).toBeLessThan(1e-4)
    expect(Math.max(...steps.map(({ gradNorm }, i) => Math.abs(gradNorm / golden.gradNorms[i] - 1)))).toBeLessThan(1e-4)
  }
})

it('a resumed run equals an uninterrupted one, byte for byte', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'innate-')), 'state.safetensors')
  const straight = await tiny(dpo(), { maxSteps: 20, shuffle: true })
  await train(straight.training)
  const first = await tiny(dpo(), { maxSteps: 10, shuffle: true, checkpoint: { file, everySeconds: 1000 } })
  await train(first.training)
  const second = await tiny(dpo(), { maxSteps: 20, shuffle: true, checkpoint: { file, everySeconds: 1000 }, resume: true })
  await train(second.training)
  const losses = ({ loss, gradNorm, step }: Metrics) => [step, loss, gradNorm]
  expect([...first.steps, ...second.steps].map(losses)).toEqual(straight.steps.map(losses))
  for (const [name, resident] of Object.entries(straight.policy.given)) {
    const [a, b] = [await engine.read(resident), await engine.read(second.policy.given[name]!)]
    expect(Buffer.compare(Buffer.from(a.data.buffer), Buffer.from(b.data.buffer)), name).toBe(0)
  }
})

it('a loss that is not at its closed form before the first step stops the run', async () => {
  const { training } = await tiny(dpo())
  const wrong = training.examples.map((example) => ({ ...example, reference: [example.reference[0]! + 3, example.reference[1]!] }))
  await expect(train({ ...training, examples: wrong })).rejects.toThrow(
    /dpo must be 0\.693147, its value at policy = reference, got 0\.5|dpo must be 0\.693147/,
  )
})

it('a loss that makes NaN stops the run, names where, and keeps the last good parameters', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'innate-')), 'state.safetensors')
  const broken: CustomLoss = ({ objective, margin }) => objective.add(log(sum(margin.mul(0)).sub(1)))
  const { training, policy } = await tiny(dpo(), { loss: broken, checkpoint: { file, everySeconds: 1000 } })
  await expect(train(training)).rejects.toThrow(/NaN or infinity in step 1, first in the custom loss; the parameters of step 0 are kept/)
  const kept = await readSafetensors(file)
  expect(Array.from(kept.get('param.params.norm')!.data)).toEqual(Array.from((await engine.read(policy.params.norm)).data))
})

it('a custom loss with a penalty on a tap lowers that activation', async () => {
  const size = async (loss?: CustomLoss) => {
    const seen: number[] = []
    const { training } = await tiny(dpo(), { maxSteps: 20, ...(loss ? { loss } : {}), onStep: (m) => void seen.push(m.loss) })
    await train(training)
    return seen
  }
  const penalty: CustomLoss = ({ objective, tap }) => {
    const out = tap('blocks.1.mlp.out')
    return objective.mul(0).add(sum(out.mul(out)).mul(1e-3))
  }
  const losses = await size(penalty)
  expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!)
})

it('takes the same step every time, in two threads, on a model whose rows are added up in both', async () => {
  const checkpoint = await loadCheckpoint('stories5m')
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => 3 + ((from + 7 * i) % 500))
  const trees = [0, 1, 2, 3].map((n) => ({ prompt: ids(n, 100), completions: [ids(2 * n, 90), ids(3 * n, 110)] }))
  const { training } = await tiny(dpo())
  const norms: number[] = []
  for (let time = 0; time < 3; time++) {
    const policy = await openPolicy(engine, checkpoint)
    const reference = await scoreTrees(policy, trees)
    const examples = trees.map((tree, i): Example => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: 1 }))
    const onStep = ({ gradNorm }: Metrics) => void norms.push(gradNorm)
    await train({ ...training, policy, examples, batch: 4, epochs: 1, maxSteps: 1, tokenBudget: 1280, onStep })
  }
  expect(new Set(norms).size).toBe(1)
})

describe('pairs of one prompt', () => {
  /** Three prompts, each with a ring of four completions: every completion is in two pairs. */
  async function rings(more: Partial<Training>) {
    const { training, examples, policy, steps } = await tiny(dpo(), { ...more, batch: 8, epochs: 1 })
    const trees = [0, 1, 2].flatMap((p) => {
      const { prompt } = examples[p]!.tree
      const four = [0, 1, 2, 3].map((c) => examples[(4 * p + c) % examples.length]!.tree.completions[c % 2]!.slice(0, 3 + c))
      return four.map((ids, c) => ({ prompt, completions: [ids, four[(c + 1) % 4]!] }))
    })
    const reference = await scoreTrees(policy, trees)
    const ring = trees.map((tree, i): Example => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: i % 3 === 0 ? 1 : 0.6 }))
    await train({ ...training, examples: ring, together: true })
    return steps
  }

  it('share a tree, with the losses and gradients that they have apart', async () => {
    const longest = 40
    const [joined, apart] = [await rings({}), await rings({ tokenBudget: longest })]
    expect(joined.map(({ step }) => step)).toEqual([1, 2])
    const names = ['loss', 'gradNorm', 'chosenLogRatio', 'rejectedLogRatio', 'margin', 'kl'] as const
    for (const [i, row] of joined.entries())
      for (const name of names)
        expect(Math.abs(row[name]! - apart[i]![name]!), `${name} of step ${i + 1}`).toBeLessThan(1e-5 * (1 + Math.abs(row[name]!)))
  })
})

function worst(got: readonly number[], want: readonly number[]): number {
  expect(got.length).toBe(want.length)
  return Math.max(...got.map((v, i) => Math.abs(v - want[i]!)))
}
