import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tolerances } from '../../test/tolerances.ts'
import { atLeast, atMost } from '../accept/index.ts'
import { goal, goalPrior, simulatedVoter } from '../goals/index.ts'
import { type Recipe, type RecipeInput, recipe } from '../recipe/recipe.ts'
import type { Reward } from '../rewards/index.ts'
import { evaluationSchema, openRun, timesFile, timesSchema } from '../runs/index.ts'
import { type AlignOptions, align } from './align.ts'
import { trainRun } from './train-run.ts'

let folder = ''
const cacheBefore = process.env.INNATE_CACHE
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-rewarded-'))
  process.env.INNATE_CACHE = join(folder, 'cache')
})
afterAll(async () => {
  process.env.INNATE_CACHE = cacheBefore
  await rm(folder, { recursive: true, force: true })
})

const vowels = goal('vowels', ({ text }) => text.match(/[aeiou]/g)?.length ?? 0)
const prompts = Array.from({ length: 24 }, (_, i) => `Once there was ${String.fromCharCode(97 + (i % 26))}${i}`)
const asked = { prompts, promptsPerRound: 4, maxTokens: 8 }

/** Two rounds of four steps on the tiny model. */
function tiny(name: string, more: Partial<RecipeInput> = {}): Recipe {
  return recipe({
    model: 'fixtures/llama-tiny',
    prior: { goals: [vowels], strength: 5 },
    reward: { goals: { vowels: 1 } },
    preferences: asked,
    objective: { name: 'grpo', group: 4, beta: 0.04, epsilon: 0.2 },
    train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 4 },
    accept: { shareEnded: atLeast(0.3) },
    look: { development: 10, sealed: 6 },
    rounds: 2,
    run: join(folder, name),
    ...more,
  })
}

/** Counts vowels, and how often it was asked. */
function counting(more: Partial<Reward> = {}): Reward & { asked: number; away: boolean } {
  const counts = {
    name: 'counting',
    asked: 0,
    away: false,
    async score(rows: Parameters<Reward['score']>[0]) {
      if (counts.away) throw new Error('the judge is away')
      counts.asked += rows.length
      return rows.map(({ completion }) => ({ value: completion.match(/[aeiou]/g)?.length ?? 0, sd: 0.5 }))
    },
    close: async () => {},
    ...more,
  }
  return counts
}

const metricsOf = async (name: string) => (await openRun(join(folder, name))).readMetrics()
const without = (rows: Awaited<ReturnType<typeof metricsOf>>) => rows.map(({ tokensPerSecond: _, ...row }) => row)
const bytes = (name: string, file: string) => readFile(join(folder, name, file))

describe('align with a reward', () => {
  it('samples, scores and trains step by step, and says each step', async () => {
    const { verdict } = await align(tiny('goals'))
    expect(verdict).toBe('out of budget')
    const times = await (await openRun(join(folder, 'goals'))).read(timesFile, timesSchema)
    expect(Object.keys(times)).toEqual(
      expect.arrayContaining(['sampling', 'scoring', 'reference log-probabilities', 'training', 'looking']),
    )
    const rows = await metricsOf('goals')
    expect(rows.map(({ round, step }) => [round, step])).toEqual([1, 1, 1, 1, 2, 2, 2, 2].map((round, i) => [round, i + 1]))
    for (const row of rows) {
      for (const name of [
        'reward',
        'rewardSd',
        'advantageSd',
        'kl',
        'clipShare',
        'zeroVarianceGroups',
        'entropy',
        'samplerGap',
        'truncated',
      ])
        expect([name, Number.isFinite(row[name])]).toEqual([name, true])
      // What it samples is what it trains.
      expect(row.samplerGap).toBeLessThan(tolerances.samplerGap.absolute)
      expect(row.clipShare).toBe(0)
    }
    expect(rows[0]!.kl).toBeLessThan(1e-6)
    const run = await openRun(join(folder, 'goals'))
    const { measures } = await run.read('rounds/02/evaluation.json', evaluationSchema)
    expect(Object.keys(measures)).toEqual(expect.arrayContaining(['winRate', 'reward', 'klFromReference', 'shareEnded', 'vowels']))
    // The one goal in standard deviations is the reward.
    expect(measures.reward!.estimate).toBeCloseTo(measures.vowels!.estimate, 9)
  })

  it('its rounds replay as rollouts, step by step', async () => {
    const rollouts = join(folder, 'goals/rounds/01/rollouts.jsonl')
    await trainRun(
      recipe({
        model: 'fixtures/llama-tiny',
        preferences: { rollouts },
        objective: { name: 'grpo', group: 4, beta: 0.04, epsilon: 0.2 },
        train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 4 },
        run: join(folder, 'replayed'),
      }),
    )
    const [first, again] = [await metricsOf('goals'), await metricsOf('replayed')]
    for (const [i, { loss, gradNorm }] of again.entries())
      for (const [now, then] of [[loss, first[i]!.loss], [gradNorm, first[i]!.gradNorm]] as const) // biome-ignore format: one line
        expect(Math.abs(now - then)).toBeLessThan(tolerances.replay.absolute)
  })

  it('goes on where it was stopped, bit for bit, and scores nothing twice', async () => {
    const several = {
      stop: { disagreement: 2 },
      reward: counting(),
      preferences: { ...asked, rollout: 2 },
      train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 4, lora: { rank: 2, alpha: 4 } },
    }
    const whole = counting()
    await align(tiny('whole', { ...several, reward: whole }))
    // One process is stopped in its third step, one fails in the middle of scoring, a third ends.
    const parts = counting()
    const stop = new AbortController()
    const first = align(tiny('parts', { ...several, reward: parts }), {
      signal: stop.signal,
      watch: { step: ({ step }) => step === 3 && stop.abort(new Error('stopped')) },
    })
    await expect(first).rejects.toThrow('stopped')
    parts.away = true
    await expect(align(tiny('parts', { ...several, reward: parts }), { resume: true })).rejects.toThrow('the judge is away')
    parts.away = false
    await align(tiny('parts', { ...several, reward: parts }), { resume: true })
    expect(without(await metricsOf('parts'))).toEqual(without(await metricsOf('whole')))
    for (const file of [
      'rounds/02/rollouts.jsonl',
      'rewards.jsonl',
      'rounds/02/evaluation.json',
      'rounds/02/model/adapter/adapter_model.safetensors',
    ])
      expect((await bytes('parts', file)).equals(await bytes('whole', file)), file).toBe(true)
    expect(parts.asked).toBe(whole.asked)
    const run = await openRun(join(folder, 'whole'))
    const { measures, stops } = await run.read('rounds/02/evaluation.json', evaluationSchema)
    // Its doubt is the same of every completion.
    expect([measures.rewardDoubt, stops!.rewardDoubt].map((found) => [found!.estimate, found!.low, found!.high])).toEqual([[1, 1, 1], [1, 1, 1]]) // biome-ignore format: one line
    // A rollout of two steps: the second is off the policy that sampled, and its gap is still the sampler's.
    const rows = await metricsOf('whole')
    for (const { samplerGap } of rows) expect(samplerGap).toBeLessThan(tolerances.samplerGap.absolute)
  })

  it.each(['ppo', 'xpo'])('%s trains, and goes on bit for bit', async (name) => {
    const more = { objective: { name, group: 4 }, preferences: { ...asked, promptsPerRound: 3 }, rounds: 1, inside: false } as const
    await align(tiny(`${name}-whole`, more))
    const stop = new AbortController()
    const first = align(tiny(`${name}-parts`, more), {
      signal: stop.signal,
      watch: { step: ({ step }) => step === 2 && stop.abort(new Error('stopped')) },
    })
    await expect(first).rejects.toThrow('stopped')
    await align(tiny(`${name}-parts`, more), { resume: true })
    const rows = await metricsOf(`${name}-whole`)
    expect(without(await metricsOf(`${name}-parts`))).toEqual(without(rows))
    for (const { samplerGap, gradNorm } of rows) {
      expect(samplerGap).toBeLessThan(tolerances.samplerGap.absolute)
      expect(gradNorm).toBeGreaterThan(0)
    }
  })

  it('a reward that says the same of everything is refused before it trains for long', async () => {
    const constant = counting({ score: async (rows) => rows.map(() => ({ value: 1 })) })
    await expect(align(tiny('constant', { reward: constant }))).rejects.toThrow(
      /^reward counting: must tell completions apart, got 1 for each of the first 16, which moves nothing/,
    )
    const nan = counting({ score: async (rows) => rows.map(() => ({ value: Number.NaN })) })
    await expect(align(tiny('nan', { reward: nan }))).rejects.toThrow('reward counting, completion 1: a reward must be a number, got NaN')
  })
})

describe('align with a reward that it learns', () => {
  const voter = (utility: (text: string) => number) =>
    simulatedVoter({ about: 'likes vowels', utility: ({ text }) => utility(text), votesPerPair: 9 })
  const count = (text: string) => text.match(/[aeiou]/g)?.length ?? 0
  const learn = { judge: voter(count), prompts: 8, perPrompt: 4, heldOut: 0.5, least: 0 }

  it('asks the judge anew before each round, measures held-out votes, and looks by the judge; resumed it is the same', async () => {
    const how = { prior: undefined, accept: { shareEnded: atLeast(0.3) }, reward: { learn } } as const
    await align(tiny('learned', how))
    const run = await openRun(join(folder, 'learned'))
    for (const round of ['rounds/01', 'rounds/02']) {
      const { pairs, heldOut } = JSON.parse((await bytes('learned', `${round}/reward.json`)).toString())
      expect(pairs).toBeGreaterThan(10)
      for (const measure of [heldOut.accuracy, heldOut.ece]) {
        expect(measure.low).toBeLessThanOrEqual(measure.estimate)
        expect(measure.estimate).toBeLessThanOrEqual(measure.high)
      }
    }
    // All votes so far: twice as many prompts were asked about.
    const [first, second] = await Promise.all(['01', '02'].map(async (r) => JSON.parse((await bytes('learned', `rounds/${r}/reward.json`)).toString()).pairs as number)) // biome-ignore format: one line
    expect(second).toBeGreaterThan(1.5 * first!)
    const { measures } = await run.read('rounds/02/evaluation.json', evaluationSchema)
    expect(Object.keys(measures)).toEqual(expect.arrayContaining(['winRate', 'utility', 'reward', 'rewardDoubt']))
    const stop = new AbortController()
    const stopped = align(tiny('learned-parts', how), {
      signal: stop.signal,
      watch: { step: ({ step }) => step === 6 && stop.abort(new Error('stopped')) },
    })
    await expect(stopped).rejects.toThrow('stopped')
    await align(tiny('learned-parts', how), { resume: true })
    expect(without(await metricsOf('learned-parts'))).toEqual(without(await metricsOf('learned')))
    for (const file of ['rounds/02/votes.jsonl', 'rounds/02/reward.json', 'rounds/02/evaluation.json'])
      expect((await bytes('learned-parts', file)).equals(await bytes('learned', file)), file).toBe(true)
  })

  it('reads the goals of a prior too, and starts from what the prior believes of them; resumed it is the same', async () => {
    const how = { accept: { shareEnded: atLeast(0.3) }, reward: { learn: { ...learn, prior: true } }, rounds: 1 } as const
    await align(tiny('believed', how))
    const { goals, heldOut } = JSON.parse((await bytes('believed', 'rounds/01/reward.json')).toString())
    expect(Object.keys(goals)).toEqual(['vowels'])
    // The voter likes vowels, as the prior says; the votes leave less doubt than the prior's.
    const { law } = tiny('believed', how).prior!
    expect(goals.vowels.mean).toBeGreaterThan(law.location[0]!)
    expect(goals.vowels.sd).toBeLessThan(Math.sqrt(law.covariance[0]![0]!))
    expect(heldOut.accuracy.estimate).toBeGreaterThan(0.7)
    const stop = new AbortController()
    const watch: AlignOptions['watch'] = { step: ({ step }) => step === 2 && stop.abort(new Error('stopped')) }
    await expect(align(tiny('believed-parts', how), { signal: stop.signal, watch })).rejects.toThrow('stopped')
    await align(tiny('believed-parts', how), { resume: true })
    for (const file of ['rounds/01/reward.json', 'rounds/01/evaluation.json'])
      expect((await bytes('believed-parts', file)).equals(await bytes('believed', file)), file).toBe(true)
  })

  it('a prior that a head cannot start from is refused, and one that is not there', () => {
    const reward = { learn: { ...learn, prior: true } }
    expect(() => tiny('none', { prior: undefined, reward })).toThrow(/^reward.learn.prior: must be left out where there is no prior/)
    const signed = goalPrior({ goals: [vowels], strength: 5, signs: { vowels: 'positive' } })
    expect(() => tiny('none', { prior: signed, reward })).toThrow(
      /^reward.learn.prior: must be left out with a prior that has signs or a Laplace form/,
    )
  })

  it('trains nothing by a reward that ranks held-out votes no better than a coin', async () => {
    const coin = voter((text) => ((text.length * 7919) % 13) / 2)
    await expect(align(tiny('coin', { reward: { learn: { ...learn, judge: coin, least: 0.5 } } }))).rejects.toThrow(
      /^reward.learn: the reward must rank more than 0.5 of the held-out votes as they were cast before it may train anything, with its whole interval, got 0\.\d+/,
    )
    await expect(metricsOf('coin')).resolves.toEqual([])
  })

  it('a judge that cannot be asked is refused', () => {
    expect(() => tiny('none', { reward: { learn: { ...learn, judge: { goals: { vowels: 1 } } } } })).toThrow(
      /^reward.learn.judge: must vote on what the policy says, got goals; write them under reward.goals/,
    )
    expect(() => tiny('none', { reward: { learn: { ...learn, heldOut: 1 } } })).toThrow(/heldOut/)
  })
})

describe('recipes with a reward', () => {
  const of = (more: Partial<RecipeInput>) => () => tiny('none', more)
  it.each<[Partial<RecipeInput>, string | RegExp]>([
    [{ objective: { name: 'dpo' } }, /^objective.name: must be a policy-gradient objective for a reward, got dpo; choose from rloo, grpo/],
    [{ preferences: { ...asked, perPrompt: 3 } }, /^preferences.perPrompt: must be objective.group with a reward, got 3 and 4/],
    [{ preferences: { ...asked, temperature: 0.7 } }, /^preferences.temperature: must be 1 with a reward/],
    [{ preferences: { ...asked, topK: 5 } }, /^preferences.topK: must be left out with a reward/],
    [{ preferences: { pairs: 'x' } }, /^preferences: must have prompts that the policy completes for its reward, got a file of pairs/],
    [{ preferences: undefined }, /^preferences: must have prompts .* got none/],
    [{ objective: { name: 'grpo', group: 1 } }, /^grpo.group: must be a whole number of at least 2/],
    [{ train: { batch: 6 } }, /^train.batch: must be a multiple of objective.group 4.*; say 8$/],
    [{ train: { batch: 4, lora: { rank: 2, alpha: 2, dropout: 0.1 } } }, /^train.lora.dropout: must be left out with a reward/],
    [{ reward: { goals: { vowel: 1 } } }, /^reward.goals: must name goals \(vowels, kind, .*\), got vowel; did you mean vowels\?$/],
    [{ reward: { goals: {} } }, /^reward.goals: must weigh at least one goal, got none/],
    [{ reward: { goals: { vowels: 0 } } }, /got only weights of 0/],
    [{ reward: { comand: 'x' } as never }, /^reward: .*comand/],
    [{ gap: { weight: 1 } }, /^gap: must be left out with a reward/],
    [{ accept: { utility: atMost(1) } }, /^accept: must name what is measured \(winRate, .*reward/],
    [{ accept: {}, reward: { command: ' ' } }, /^reward/],
    [{ stop: { runaway: 2 } }, /^stop.runaway: must be left out without gold/],
    [{ stop: { disagreement: 1 } }, /^stop.disagreement/],
  ])('%#: what can not be is refused', (more, said) => {
    expect(of(more)).toThrow(said)
  })

  it('train refuses a reward, which samples nothing', async () => {
    await expect(trainRun(tiny('train'))).rejects.toThrow('reward: must be left out for train')
  })
})
