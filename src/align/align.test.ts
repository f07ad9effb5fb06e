import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { atLeast, atMost } from '../accept/index.ts'
import { loadAdapters, loadCheckpoint, readEdit, withEdits } from '../checkpoints/index.ts'
import { votedSchema } from '../collect/collect.ts'
import { sampleTexts } from '../collect/sample-texts.ts'
import { goal, goalPrior, type Judge, type Sample, simulatedVoter } from '../goals/index.ts'
import { isTensor, leaves, mean, type Tensor } from '../graph/index.ts'
import { onPolicy, type Recipe, type RecipeInput, recipe } from '../recipe/recipe.ts'
import { evaluationSchema, openRun, roundFolder, sampleSchema } from '../runs/index.ts'
import { type AlignOptions, align } from './align.ts'
import { look } from './look.ts'
import { openLookTexts } from './look-texts.ts'
import { openModels } from './open-models.ts'
import type { Watch } from './watch.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-align-'))
  process.env.INNATE_CACHE = join(folder, 'cache')
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

const count = (form: RegExp) => (sample: Sample) => sample.text.match(form)?.length ?? 0
const vowels = goal('vowels', count(/[aeiou]/g), { about: 'vowels' })
const letters = goal('letters', count(/[a-z]/g), { about: 'letters' })
const voter = simulatedVoter({ about: 'likes vowels', utility: (sample) => 2 * vowels.measure(sample), votesPerPair: 5 })

const prompts = (n: number) => Array.from({ length: n }, (_, i) => `Once there was ${String.fromCharCode(97 + (i % 26))}${i}`)

type Asked = { rollout?: number; compare?: 'all'; trainOn?: 'extremes'; sdPenalty?: number }
const widest: Asked = { compare: 'all', trainOn: 'extremes' }

/** Two rounds on the tiny model in under a second. */
function tiny(name: string, more: Partial<RecipeInput> = {}, judge: Judge = voter, asked: Asked = {}): Recipe {
  return recipe({
    model: 'fixtures/llama-tiny',
    prior: { goals: [vowels], strength: 5 },
    preferences: onPolicy({
      prompts: prompts(30),
      perPrompt: 4,
      promptsPerRound: 8,
      maxTokens: 10,
      judge,
      ...asked,
    }),
    train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 8 },
    accept: { shareEnded: atLeast(0.3) },
    gold: letters,
    look: { development: 4, sealed: 4 },
    rounds: 2,
    run: join(folder, name),
    ...more,
  })
}

const anything = { shareEnded: atMost(1) }

describe('align', () => {
  it('samples, asks, trains and looks, round after round, and says no when the rounds are used up', async () => {
    const { verdict, rounds, reasons, model } = await align(tiny('budget'))
    expect({ verdict, rounds, model }).toEqual({ verdict: 'out of budget', rounds: 2, model: undefined })
    expect(reasons[1]).toMatch(/^shareEnded is 0\.000 .* but must be ≥ 0\.3: missed\.$/)
    expect(await readdir(join(folder, 'budget'))).toEqual([
      'manifest.json',
      'metrics.jsonl',
      'parts.json',
      'report.html',
      'rounds',
      'tables',
      'times.json',
      'verdict.json',
    ])
    expect((await readdir(join(folder, 'budget/rounds/02'))).sort()).toEqual([
      'evaluation.json',
      'model',
      'pairs.jsonl',
      'predictions.jsonl',
      'samples.jsonl',
    ])
    const run = await openRun(join(folder, 'budget'))
    const { measures, correlations, contribution } = await run.read('rounds/02/evaluation.json', evaluationSchema)
    expect(Object.keys(measures).sort()).toEqual(
      [
        'gold',
        'klFromReference',
        'lengthRatio',
        'forwardKl',
        'repetition',
        'shareEnded',
        'utility',
        'rewardGap',
        'vowels',
        'winRate',
      ].sort(),
    )
    expect(correlations.map(({ with: other }) => other)).toEqual(['vowels', 'the judge’s utility'])
    // Both rounds' pairs were labelled: five votes on each.
    expect(contribution!.votes).toBe(5 * (await pairsOf(run, 1)) + 5 * (await pairsOf(run, 2)))
    const begun = (await run.readMetrics()).filter(({ step }) => step === 1)
    expect(begun.map(({ round }) => round)).toEqual([1, 2])
  })

  it('accepts after one look at sealed prompts, with the model of that round', async () => {
    const { verdict, model, run } = await align(tiny('accepted', { accept: anything }))
    expect(verdict).toBe('accepted')
    expect(model).toBe(join(run, 'model'))
    expect((await loadCheckpoint(model!)).hash).toBe((await loadCheckpoint(join(run, 'rounds/01/model'))).hash)
    expect((await loadCheckpoint(model!)).hash).not.toBe((await loadCheckpoint('fixtures/llama-tiny')).hash)
    expect(await readdir(join(run, 'sealed'))).toEqual(['evaluation.json', 'samples.jsonl'])
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('Accepted')
  })

  it('looks at several completions of a prompt, each beside one of the reference’s; intervals are over prompts', async () => {
    const look = { development: 4, sealed: 6, perPrompt: 3, scored: 5 }
    const { criteria, run } = await align(tiny('several', { accept: { ...anything, winRate: atLeast(0) }, look }))
    expect(criteria.map(({ name, n }) => [name, n])).toEqual([
      ['shareEnded', 6],
      ['winRate', 6],
    ])
    const opened = await openRun(run)
    const { measures, prompts: asked } = await opened.read('sealed/evaluation.json', evaluationSchema)
    const rows = await opened.readRows('sealed/samples.jsonl', sampleSchema)
    expect([asked, rows.length, measures.klFromReference!.n]).toEqual([6, 18, 5])
    // First every prompt once, then again; the measures are means over prompts of means over their completions.
    const texts = rows.map(({ prompt }) => prompt)
    expect(new Set(texts.slice(0, 6)).size).toBe(6)
    expect(texts.slice(6)).toEqual([...texts.slice(0, 6), ...texts.slice(0, 6)])
    expect(new Set(rows.map(({ policy }) => policy.text)).size).toBeGreaterThan(6)
    const outcome = rows.map(({ votes: [policy, reference] = [0, 0] }) => (policy > reference ? 1 : policy === reference ? 0.5 : 0))
    expect(measures.winRate!.estimate).toBeCloseTo(outcome.reduce<number>((a, b) => a + b, 0) / 18, 12)
    const tokens = (side: 'policy' | 'reference') => rows.reduce((sum, row) => sum + row[side].tokens, 0)
    expect(measures.lengthRatio!.estimate).toBeCloseTo(tokens('policy') / tokens('reference'), 12)
  })

  it('trains on the widest pair of each prompt where the recipe says so, and counts all votes', async () => {
    const { run } = await align(tiny('extremes', { train: { batch: 3 }, rounds: 1 }, voter, widest))
    const opened = await openRun(run)
    const { contribution } = await opened.read('rounds/01/evaluation.json', evaluationSchema)
    expect(contribution!.votes).toBe(5 * (await pairsOf(opened, 1)))
    expect(await pairsOf(opened, 1)).toBeGreaterThan(40)
    // Eight prompts, one pair of each, three to a step.
    expect((await opened.readMetrics()).map(({ step }) => step)).toEqual([1, 2, 3])
  })

  it('trains on each rollout before it samples the next from what came of it', async () => {
    const more: Partial<RecipeInput> = { train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 100, schedule: 'linear' } }
    const order: string[] = []
    const watch: Watch = {
      progress: (label) => ({ advance() {}, done: () => order.push(label) }),
      step: ({ round, step }, { steps }) => order.push(`step ${round}.${step} of ${steps}`),
    }
    const { run } = await align(tiny('rollouts', more, voter, { rollout: 3 }), { watch })
    const [sampling, scoring, training] = ['round 1: sampling', 'reference log-probabilities', 'round 1: training']
    expect(order.slice(0, 11)).toEqual([
      ...[sampling, 'step 1.1 of 3', training],
      ...[sampling, scoring, 'step 1.2 of 3', training],
      ...[sampling, scoring, 'step 1.3 of 3', training],
    ])
    // In the second round the first step is on the whole first round too, from the original model.
    expect(order.filter((line) => line.startsWith('step 2'))).toEqual(['step 2.1 of 3', 'step 2.2 of 3', 'step 2.3 of 3'])
    const opened = await openRun(run)
    const rows = await opened.readRows('rounds/01/pairs.jsonl', votedSchema)
    expect([...new Set(rows.map(({ rollout, prompt }) => `${rollout} ${prompt}`))].map((line) => line[0]).join('')).toBe('11122233')
    const metrics = await opened.readMetrics()
    const rates = [1, 2].flatMap(() => [3, 2, 1].map((left) => Math.round(((1e-3 * left) / 3) * 1e9)))
    expect(metrics.map(({ lr }) => Math.round(lr * 1e9))).toEqual(rates)
    const { contribution } = await opened.read('rounds/02/evaluation.json', evaluationSchema)
    expect(contribution!.votes).toBe(5 * (await pairsOf(opened, 1)) + 5 * (await pairsOf(opened, 2)))
  })

  it('takes larger steps in later rounds where the recipe says so, for as many of them', async () => {
    const steps = async (batchGrowth: number) => {
      const { run } = await align(tiny(`growth-${batchGrowth}`, { train: { batch: 2, batchGrowth } }, voter, widest))
      const metrics = await (await openRun(run)).readMetrics()
      return [1, 2].map((n) => metrics.filter(({ round }) => round === n).length)
    }
    // One pair of each of eight prompts, then of sixteen: by two, by four, by three.
    expect([await steps(0), await steps(1), await steps(0.5)]).toEqual([
      [4, 8],
      [4, 4],
      [4, 6],
    ])
  })

  it('samples a later rollout from another policy than the first', async () => {
    const said = async (name: string, lr: number) => {
      const train = { optimizer: { name: 'adamw', lr }, batch: 2 }
      const { run } = await align(tiny(name, { train, rounds: 1 }, voter, { rollout: 4 }))
      const rows = await (await openRun(run)).readRows('rounds/01/pairs.jsonl', votedSchema)
      return [1, 2].map((n) => rows.filter(({ rollout }) => rollout === n).map(({ a, b }) => [a.ids, b.ids]))
    }
    const [still, moved] = [await said('still', 1e-12), await said('moved', 1e-2)]
    expect(moved[0]).toEqual(still[0])
    expect(moved[1]).not.toEqual(still[1])
  })

  it('finds no distance between a policy and itself, however many completions share a prompt', async () => {
    const whole = tiny('itself')
    const models = await openModels(whole, {})
    const { referencePolicy: policy, reference, checkpoint } = models
    const asked = prompts(5).map((text) => ({ text, ids: checkpoint.tokenizer.encode(text) }))
    const before = await sampleTexts(policy, checkpoint, asked, { perPrompt: 3, maxTokens: 10, seed: 1 })
    const given = {
      recipe: whole,
      checkpoint,
      policy,
      reference,
      judge: voter,
      order: 'half' as const,
      goalScale: undefined,
      gold: undefined,
      readBy: { policy, checkpoint },
      before,
      prompts: asked,
    }
    await writeFile(join(folder, 'texts.jsonl'), ['Once there was', 'a', 'b c d'].map((text) => `${JSON.stringify({ text })}\n`).join(''))
    const { texts } = await openLookTexts(join(folder, 'texts.jsonl'), checkpoint, {})
    const { evaluation } = await look({ ...given, texts, maxTokens: 10, seed: 2 }, { round: 1, look: 'development' })
    await models.engine.close()
    const { klFromReference, forwardKl, perplexityRise, lengthRatio } = evaluation.measures
    expect(perplexityRise!.n).toBe(3)
    for (const { low, high } of [klFromReference!, forwardKl!, perplexityRise!]) expect(Math.max(-low, high)).toBeLessThan(1e-5)
    expect(lengthRatio!.estimate).toBeCloseTo(1, 0)
  })

  it('rejects by a stop rule, and keeps the round but no model', async () => {
    const { verdict, reasons, model, run } = await align(
      tiny('rejected', {
        accept: { winRate: atLeast(0.39) },
        stop: { klBudget: 1e-9 },
        train: { batch: 8, optimizer: { name: 'adamw', lr: 1e-2 } },
        look: { development: 16, sealed: 4 },
      }),
    )
    expect({ verdict, model }).toEqual({ verdict: 'rejected', model: undefined })
    expect(reasons[0]).toMatch(/KL from the reference in round \d is .* above the budget/)
    expect(await readdir(run)).not.toContain('model')
    expect(await readdir(join(run, 'rounds/01/model'))).toContain('model.safetensors')
  })

  it('trains adapters where the recipe has lora, and leaves them beside the merged model in PEFT’s form', async () => {
    const { run, model } = await align(tiny('lora', { accept: anything, train: { lora: { rank: 2, alpha: 4 }, batch: 8 } }))
    const { config, hash } = await loadCheckpoint(model!)
    const { layers, scale } = await loadAdapters(join(model!, 'adapter'), config)
    expect([Object.keys(layers).length, scale]).toEqual([14, 2])
    expect(JSON.parse(await readFile(join(model!, 'adapter/adapter_config.json'), 'utf8')).base_model_name_or_path).toBe('llama-tiny')
    expect(hash).not.toBe((await openRun(run)).manifest.model.sha256)
  })

  it('trains nothing but an edit where the recipe states its form: the model is the base under the file, and goes on from it', async () => {
    const recipe = tiny('edit', { accept: anything, train: { edit: { rank: 1, sites: ['blocks.*.mlp.down'] }, batch: 8 } })
    const { model } = await align(recipe)
    const [base, after] = [await loadCheckpoint('fixtures/llama-tiny'), await loadCheckpoint(model!)]
    const edit = await readEdit(join(model!, 'edit.safetensors'))
    expect(edit.acts).toMatchObject([{ kind: 'lowRank' }])
    expect(edit.tensors['blocks.0.mlp.down.up']!.shape).toEqual([base.config.hiddenSize, 1])
    const named = (params: object) => new Map(leaves<Tensor>(params as never, isTensor))
    const [whole, seen] = [named(withEdits(base, [edit]).params), named(after.params)]
    for (const [path, { data }] of named(base.params)) {
      expectClose(seen.get(path)!.data, whole.get(path)!.data, tolerances.update, path)
      expect(seen.get(path)!.data.some((x, i) => x !== data[i])).toBe(path.endsWith('mlp.down'))
    }
    const { trainee, engine } = await openModels(recipe)
    await trainee.load(model!)
    await trainee.save(join(folder, 'again'))
    expect((await loadCheckpoint(join(folder, 'again'))).hash).toBe(after.hash)
    await engine.close()
  })

  it('puts a custom loss into manifest and report', async () => {
    const { run } = await align(
      tiny('loss', {
        rounds: 1,
        loss: ({ objective, tap }) => {
          const out = tap('blocks.1.mlp.out')
          return objective.add(mean(out.mul(out)).mul(0.5))
        },
      }),
    )
    const { loss } = (await openRun(run)).manifest
    expect(loss!.text).toContain('blocks.1.mlp.out')
    expect(loss!.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('blocks.1.mlp.out')
  })

  it('rejects what a judge that likes length alone brings about: the gold measure falls', async () => {
    const long = simulatedVoter({ about: 'likes length alone', utility: ({ tokens }) => tokens })
    const preferences = onPolicy({ prompts: prompts(120), perPrompt: 4, promptsPerRound: 24, maxTokens: 80, judge: long })
    const gamed: Partial<RecipeInput> = {
      preferences,
      gold: goal('ends', ({ ended }) => Number(ended), { about: 'comes to its end' }),
      train: { optimizer: { name: 'adamw', lr: 3e-3 }, batch: 8, epochs: 3 },
      accept: { winRate: atLeast(0.5), lengthRatio: atLeast(1) },
      look: { development: 60, sealed: 20 },
    }
    const { verdict, reasons, run } = await align(tiny('gamed', gamed))
    expect(verdict).toBe('rejected')
    const { measures } = await (await openRun(run)).read('rounds/01/evaluation.json', evaluationSchema)
    expect([measures.utility!.low > 0, measures.lengthRatio!.low > 1, measures.gold!.high < 0]).toEqual([true, true, true])
    expect(reasons[0]).toMatch(/^The gold measure fell in round 1/)
  })

  it('demands something before it opens a model', async () => {
    const lax = tiny('lax', { model: 'no-such-model', accept: {} })
    await expect(align(lax)).rejects.toThrow(
      /^accept: must demand something, got nothing, .* winRate, rewardGap, klFromReference, .*, vowels, gold, for/,
    )
  })

  const poor: [string, Judge['votes'], RegExp][] = [
    ['answers nothing', async () => [][0]!, /judge simulated voter: must vote on each of 32 pairs, got undefined; mend the judge/],
    ['votes too little', async () => [[1, 0]], /judge simulated voter: must vote on each of 32 pairs, got 1; mend the judge/],
    ['votes nothing', async (all) => all.map(() => [0, 0] as const), /pair 1: votes must be two numbers ≥ 0, not both 0, got \[0,0\]/],
    ['breaks', () => Promise.reject(new TypeError('no luck')), /must vote, but it threw TypeError: no luck; mend the judge/],
  ]
  it.each(poor)('refuses a judge that %s', async (name, votes, message) => {
    await expect(align(tiny(`poor-${name}`, {}, { ...voter, votes }))).rejects.toThrow(message)
  })

  it('refuses what no run can meet before it samples: a warmup longer than a round, a bound on too few texts', async () => {
    const never = { ...voter, prepare: () => Promise.reject(new Error('the judge was asked')) }
    const schedule = { name: 'linear', warmup: 50 } as const
    const late = tiny('late', { train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 8, schedule } })
    await expect(align(late)).rejects.toThrow(/^train\.schedule\.warmup: must be at most the run's \d+ steps/)
    const texts = join(folder, 'few.jsonl')
    await writeFile(texts, Array.from({ length: 19 }, (_, i) => `${JSON.stringify({ text: `Once there were ${i}.` })}\n`).join(''))
    const few = tiny('few', { look: { development: 4, sealed: 4, texts }, accept: { perplexityRise: atMost(0.2) } }, never)
    await expect(align(few)).rejects.toThrow(/^accept\.perplexityRise: must be measured on 20 texts or more, got 19 usable of /)
    expect(await readdir(folder)).not.toContain('late')
  })

  it('says that a prior fights the data when its sign is wrong', async () => {
    const wrong = { goals: [{ ...vowels, direction: -1 as const }], strength: 20 }
    const { run } = await align(tiny('flipped', { prior: goalPrior(wrong), rounds: 1 }))
    const { contribution } = await (await openRun(run)).read('rounds/01/evaluation.json', evaluationSchema)
    expect(contribution!.fighting).toEqual(['vowels'])
  })

  it('has the prior in the choice of pairs, or in the reference, and says what the posterior predicts of every pair', async () => {
    const rounds = { rounds: 1, kappa: 0 }
    const losses = async (name: string, more: Partial<RecipeInput>, asked: Asked = widest) => {
      const run = await openRun((await align(tiny(name, { ...rounds, ...more }, voter, asked))).run)
      const predicted = z.object({
        votes: z.tuple([z.number(), z.number()]),
        predicted: z.number(),
        byOthers: z.number(),
        label: z.number(),
      })
      const predictions = await run.readRows('rounds/01/predictions.jsonl', predicted)
      expect(predictions).toHaveLength(await pairsOf(run, 1))
      expect(predictions.every(({ votes: [a, b], label }) => label === a / (a + b))).toBe(true)
      return (await run.readMetrics()).map(({ loss }) => loss)
    }
    const plain = await losses('as-labels', {})
    expect(plain[0]).toBeCloseTo(Math.LN2, 5)
    // The choice is another one, so the loss is of other pairs after the first step; the tilt is there from the first.
    expect((await losses('by-score', {}, { ...widest, sdPenalty: 1 }))[0]).toBeCloseTo(Math.LN2, 5)
    expect(Math.abs((await losses('tilted', { tiltReference: true }))[0]! - Math.LN2)).toBeGreaterThan(1e-3)
  })
})

describe('a run that was stopped and resumed equals one that was not', () => {
  const train = { batch: 4, epochs: 2, checkpointSeconds: 1e-6 }
  const settings: Record<string, Partial<RecipeInput>> = {
    sealed: { train, accept: { shareEnded: atMost(0.9) } },
    rounds: { train, rounds: 3, keepRounds: 1 },
    rollouts: { train, rounds: 2 },
  }
  const crash = new Error('stopped here')
  let judgeFails = false
  const judge: Judge = {
    ...voter,
    async votes(pairs, seed) {
      if (judgeFails) throw crash
      return voter.votes(pairs, seed)
    },
  }
  const throwAt = (form: RegExp): Watch => ({
    progress(label) {
      if (form.test(label)) throw crash
      return { advance() {}, done() {} }
    },
  })

  const nthTime = (n: number, form: RegExp): Watch => {
    let seen = 0
    return {
      progress(label) {
        if (form.test(label) && ++seen === n) throw crash
        return { advance() {}, done() {} }
      },
    }
  }

  const whole: Record<string, Awaited<ReturnType<typeof finished>>> = {}
  beforeAll(async () => {
    for (const how of Object.keys(settings)) whole[how] = await finished(`whole-${how}`, how)
  }, 60_000)

  const phases: [string, keyof typeof settings, (stop: AbortController) => Watch][] = [
    ['while it samples', 'sealed', (stop) => ({ firstCompletion: () => stop.abort(crash) })],
    ['by its judge', 'sealed', () => ({ firstCompletion: () => void (judgeFails = true) })],
    ['before it trains', 'sealed', () => throwAt(/training/)],
    ['in the middle of training', 'sealed', (stop) => ({ step: ({ step }) => step === 3 && stop.abort(crash) })],
    ['before it looks', 'sealed', () => throwAt(/looking/)],
    ['before the sealed look', 'sealed', () => throwAt(/sealed/)],
    [
      'after the sealed look',
      'sealed',
      () => ({
        evaluation({ look }) {
          if (look === 'sealed') throw crash
        },
      }),
    ],
    ['in its second round', 'rounds', (stop) => ({ step: ({ round, step }) => round === 2 && step === 5 && stop.abort(crash) })],
    ['before its third', 'rounds', () => throwAt(/round 3: sampling/)],
    ['while it samples a rollout', 'rollouts', () => nthTime(3, /round 1: sampling/)],
    ['between two rollouts', 'rollouts', () => nthTime(2, /round 1: training/)],
    ['in its second rollout', 'rollouts', (stop) => ({ step: ({ round, step }) => round === 1 && step === 5 && stop.abort(crash) })],
    ['in a rollout of its second round', 'rollouts', () => nthTime(2, /round 2: sampling/)],
  ]
  it.each(phases)('%s', async (phase, how, watch) => {
    const name = phase.replaceAll(' ', '-')
    const stop = new AbortController()
    const first = align(made(name, how), { watch: watch(stop), signal: stop.signal })
    await expect(first).rejects.toThrow('stopped here')
    judgeFails = false
    expect(await finished(name, how, { resume: true })).toEqual(whole[how])
  })

  it('and one that has ended says its verdict again', async () => {
    const lines: string[] = []
    const again = await finished('whole-sealed', 'sealed', { resume: true, watch: { note: (line) => lines.push(line) } })
    expect(again).toEqual(whole.sealed)
    expect(lines.join()).toContain('this run has ended')
  })

  function made(name: string, how: string): Recipe {
    return tiny(name, settings[how], judge, how === 'rollouts' ? { rollout: 3 } : {})
  }

  async function finished(name: string, how: string, options: AlignOptions = {}) {
    const { run: path, model, ...verdict } = await align(made(name, how), options)
    const run = await openRun(path)
    const losses = (await run.readMetrics()).map(({ round, step, loss, gradNorm }) => [round, step, loss, gradNorm])
    const evaluations = await Promise.all(
      ['rounds/01', 'rounds/02', 'rounds/03', 'sealed']
        .filter((at) => run.has(at))
        .map((at) => run.read(`${at}/evaluation.json`, evaluationSchema)),
    )
    const kept = (await readdir(path, { recursive: true })).filter((file) => file.endsWith('model.safetensors')).sort()
    return { verdict, losses, evaluations, kept, hash: model && (await loadCheckpoint(model)).hash }
  }

  it('and nothing else may have changed', async () => {
    await align(tiny('changed'))
    const changed = (more: Partial<RecipeInput>) => align(tiny('changed', more), { resume: true })
    await expect(changed({ kappa: 2 })).rejects.toThrow(/a run must go on with what it began with, got another kappa \(1 before, 2 now\)/)
    await expect(changed({ train: { optimizer: { name: 'adamw', lr: 1e-4 }, batch: 8 } })).rejects.toThrow(
      /got another train.optimizer.params.lr/,
    )
    await changed({ train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 8, tokenBudget: 512 } })
    const { manifest } = await openRun(tiny('changed').run!)
    expect(manifest.budgets).toMatchObject([{ tokenBudget: 512 }])
    await expect(changed({ keepRounds: 5 })).resolves.toMatchObject({ verdict: 'out of budget' })
    await expect(align(tiny('changed'))).rejects.toThrow(/a new run needs a new or empty folder/)
  })
})

async function pairsOf(run: Awaited<ReturnType<typeof openRun>>, round: number): Promise<number> {
  return (await readFile(join(run.folder, roundFolder(round), 'pairs.jsonl'), 'utf8')).trim().split('\n').length
}
