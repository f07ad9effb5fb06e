import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { distribution, expectTeacherForced } from '../../test/teacher-forced.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { openEngine } from '../engine/index.ts'
import { UserError } from '../graph/index.ts'
import type { Completion, Sampling } from '../models/sampling.ts'
import { random } from '../random/index.ts'
import { openPolicy } from './policy.ts'
import { sampleCompletions } from './sample.ts'
import { scoreTrees } from './score.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const model = await loadCheckpoint('fixtures/llama-tiny')
const policy = await openPolicy(engine, model)
const { vocabSize, contextLength } = model.config

/** A prompt of a given length, other for each i. */
const promptOf = (length: number, i: number) => [...random(99, 'prompt').integers(length, vocabSize, i)]
const prompts = [3, 1, 40, 7, 130, 12, 5, 64, 33, 2, 90, 6].map(promptOf)
// One token in twenty ends a completion, so that lengths differ and rows come free at different times.
const eosIds = Array.from({ length: vocabSize / 20 }, (_, i) => i)

describe('log-probabilities are those of a teacher-forced pass', () => {
  it.each<Partial<Sampling>>([
    {},
    { temperature: 0 },
    { temperature: 0.5 },
    { temperature: 3 },
    { topK: 7 },
    { topP: 0.4 },
    { temperature: 1.5, topK: 50, topP: 0.9 },
    { minP: 0.3 },
    { repetitionPenalty: 1.4 },
    { repetitionPenalty: 1.2, temperature: 0, stop: ['zz'], tokenizer: model.tokenizer },
    { repetitionPenalty: 0.9, temperature: 1.5, topK: 50, topP: 0.9, minP: 0.01 },
  ])('with %j', async (options) => {
    const given = prompts.slice(0, 6)
    const said = await sampleCompletions(policy, given, { perPrompt: 2, maxTokens: 12, seed: 4, eosIds, batch: 6, ...options })
    await expectTeacherForced(policy, given, said)
  })

  it.each([1e-38, 1e-30])('at temperature %d the likeliest tokens, whatever is done to logits besides', async (temperature) => {
    const given = prompts.slice(0, 3)
    const how = { maxTokens: 8, seed: 4, eosIds }
    for (const more of [{}, { repetitionPenalty: 1.3 }, { topP: 0.9 }])
      expect(await sampleCompletions(policy, given, { ...how, ...more, temperature })).toEqual(
        await sampleCompletions(policy, given, { ...how, ...more, temperature: 0 }),
      )
  })

  it('even for a token so unlikely that its probability is 0 in f32', async () => {
    const { norm } = model.params
    const sharp = { ...norm, data: (norm.data as Float32Array).map((x) => 150 * x) }
    const peaked = await openPolicy(engine, { config: model.config, params: { ...model.params, norm: sharp } })
    const given = prompts.slice(0, 2)
    const said = await sampleCompletions(peaked, given, { temperature: 1000, maxTokens: 10, seed: 0, eosIds: [] })
    const logps = said.flat().flatMap((completion) => completion.logps)
    expect(Math.min(...logps)).toBeLessThan(-110)
    await expectTeacherForced(peaked, given, said, true)
  })
})

describe('a completion belongs to its seed, prompt and number', () => {
  const options = { maxTokens: 45, seed: 8, eosIds }
  const all = sampleCompletions(policy, prompts, { ...options, perPrompt: 3 })

  it.each([
    [1, 1],
    [3, 1],
    [8, 1],
    [3, 2],
    [8, 2],
    [3, 3],
    [8, 3],
    [24, 3],
  ])('in a batch of %i with %i per prompt', async (batch, perPrompt) => {
    const finished = new Set<string>()
    const said = await sampleCompletions(policy, prompts, {
      ...options,
      batch,
      perPrompt,
      onCompletion: (prompt, index, { ids }) => finished.add(`${prompt} ${index} ${ids}`),
    })
    const want = (await all).map((completions) => completions.slice(0, perPrompt))
    expect(said.map((completions) => completions.map(({ ids }) => ids))).toEqual(
      want.map((completions) => completions.map(({ ids }) => ids)),
    )
    for (const [i, completions] of said.entries())
      completions.forEach(({ logps, ended }, k) => {
        expectClose(logps, want[i]![k]!.logps, tolerances.teacherForced)
        expect(ended).toBe(want[i]![k]!.ended)
      })
    expect(finished).toEqual(new Set(want.flatMap((completions, i) => completions.map(({ ids }, k) => `${i} ${k} ${ids}`))))
  })

  it('and is another one for every seed and every number', async () => {
    const others = await sampleCompletions(policy, prompts, { ...options, seed: 9, perPrompt: 3 })
    const distinct = new Set([...(await all), ...others].flat().map(({ ids }) => String(ids)))
    expect(distinct.size).toBeGreaterThan(60)
  })

  it('and its log-probabilities stay those of a teacher-forced pass while rows are refilled, moved and taken away', async () => {
    await expectTeacherForced(
      policy,
      prompts,
      (await all).map((completions) => completions.slice(0, 1)),
    )
  })
})

it('temperature 0 takes the likeliest token', async () => {
  const given = prompts.slice(0, 4)
  const said = await sampleCompletions(policy, given, { temperature: 0, maxTokens: 8, seed: 0, eosIds: [] })
  for (const [i, [completion]] of said.entries())
    for (const [t, id] of completion!.ids.entries()) {
      const scores = await distribution(policy, [...given[i]!, ...completion!.ids.slice(0, t)])
      expect(id).toBe(scores.indexOf(Math.max(...scores)))
    }
})

describe('a completion ends', () => {
  it('with the end token, which is said, or at maxTokens', async () => {
    const said = (await sampleCompletions(policy, prompts, { perPrompt: 4, maxTokens: 10, seed: 1, eosIds })).flat()
    expect(said.filter(({ ended }) => ended).length).toBeGreaterThan(5)
    expect(said.filter(({ ended }) => !ended).length).toBeGreaterThan(5)
    for (const { ids, logps, ended } of said) {
      expect(logps.length).toBe(ids.length)
      expect(ids.slice(0, -1).some((id) => eosIds.includes(id))).toBe(false)
      expect(eosIds.includes(ids.at(-1)!)).toBe(ended)
      expect(ended ? ids.length <= 10 : ids.length === 10).toBe(true)
    }
  })

  it('at the end of the context', async () => {
    const given = [250, 255, 200].map(promptOf)
    const said = await sampleCompletions(policy, given, { seed: 2, eosIds: [], maxTokens: 20 })
    expect(said.map(([completion]) => completion!.ids.length)).toEqual([6, 1, 20])
    await expectTeacherForced(policy, given, said)
    const [[whole]] = (await sampleCompletions(policy, [promptOf(1, 0)], { seed: 2, eosIds: [] })) as [[Completion]]
    expect(whole.ids.length).toBe(contextLength - 1)
    expectClose(
      [whole.logps.reduce((a, b) => a + b) / whole.logps.length],
      [(await scoreTrees(policy, [{ prompt: promptOf(1, 0), completions: [whole.ids] }]))[0]! / whole.logps.length],
      tolerances.teacherForced,
    )
  })
})

describe('the first token is drawn', () => {
  const prompt = promptOf(9, 1)
  it.each<[string, Partial<Sampling>]>([
    ['from the softmax', {}],
    ['from the softmax of logits over the temperature', { temperature: 0.6 }],
    ['from the twenty likeliest', { topK: 20 }],
    ['from the likeliest that have half of all probability', { topP: 0.5 }],
    ['from those with a third of the likeliest', { minP: 1 / 3 }],
  ])('%s', async (_, options) => {
    const n = 6400
    const said = await sampleCompletions(policy, Array(64).fill(prompt), {
      perPrompt: n / 64,
      maxTokens: 1,
      seed: 12,
      eosIds: [],
      ...options,
    })
    const counts = new Array<number>(vocabSize).fill(0)
    for (const { ids } of said.flat()) counts[ids[0]!]!++

    const weights = (await distribution(policy, prompt)).map((logp) => Math.exp(logp / (options.temperature ?? 1)))
    const order = weights.map((_, id) => id).sort((a, b) => weights[b]! - weights[a]!)
    let mass = 0
    const kept = order.filter((id, rank) => {
      const needed =
        rank < (options.topK ?? vocabSize) && mass < (options.topP ?? 2) && weights[id]! >= (options.minP ?? 0) * weights[order[0]!]!
      mass += weights[id]!
      return needed
    })
    expect(counts.reduce((total, count, id) => total + (kept.includes(id) ? count : 0), 0)).toBe(n)
    const whole = kept.reduce((total, id) => total + weights[id]!, 0)
    const square = kept.reduce((total, id) => {
      const expected = (n * weights[id]!) / whole
      return total + (counts[id]! - expected) ** 2 / expected
    }, 0)
    // Chi-square has mean k and variance 2k; the seed is fixed.
    const degrees = kept.length - 1
    expect(Math.abs(square - degrees) / Math.sqrt(2 * degrees)).toBeLessThan(3)
  })
})

describe('sampleCompletions refuses', () => {
  const rest = { seed: 0, eosIds: [1] }
  it.each<[string, readonly number[][], Partial<Sampling>, string]>([
    ['an empty prompt', [[1], []], {}, 'sample: prompt 1 must have 1 to 255 tokens (the context is 256), got 0; shorten it'],
    [
      'a prompt that fills the context',
      [promptOf(256, 0)],
      {},
      'sample: prompt 0 must have 1 to 255 tokens (the context is 256), got 256; shorten it',
    ],
    [
      "another model's ids",
      [[1], [2, 320]],
      {},
      "sample: ids of prompt 1 must be 0 to 319 (the model's vocabulary), got 320; were the tokens made by another model's tokenizer?",
    ],
    [
      'a negative temperature',
      [[1]],
      { temperature: -1 },
      'sample: temperature must be a number from 0 on, got -1; 1 samples as the model says',
    ],
    ['topK 0', [[1]], { topK: 0 }, 'sample: topK must be a whole number from 1 on, got 0; leave it out for all tokens'],
    ['topP 0', [[1]], { topP: 0 }, 'sample: topP must be above 0 and at most 1, got 0; leave it out for all tokens'],
    ['topP in percent', [[1]], { topP: 90 }, 'sample: topP must be above 0 and at most 1, got 90; leave it out for all tokens'],
    ['minP in percent', [[1]], { minP: 5 }, 'sample: minP must be from 0 to 1, got 5; leave it out for all tokens'],
    ['a penalty of 0', [[1]], { repetitionPenalty: 0 }, 'sample: repetitionPenalty must be a number above 0, got 0; 1 is no penalty'],
    ['an empty stop string', [[1]], { stop: ['.', ''] }, 'sample: stop strings must have a character, got ""; leave it out'],
    ['stop strings alone', [[1]], { stop: ['.'] }, 'sample: stop strings need a tokenizer, got none; give the one of the model'],
    [
      'no new tokens',
      [[1]],
      { maxTokens: 0 },
      'sample: maxTokens must be a whole number from 1 on, got 0; leave it out to fill the context',
    ],
    ['no completions', [[1]], { perPrompt: 0 }, 'sample: perPrompt must be a whole number from 1 on, got 0; 1 is the default'],
    ['half a row', [[1]], { batch: 0.5 }, 'sample: batch must be a whole number from 1 on, got 0.5; 64 is the default'],
    ['half a seed', [[1]], { seed: 0.5 }, 'sample: seed must be a whole number, got 0.5; any will do'],
  ])('%s', async (_, given, options, message) => {
    await expect(sampleCompletions(policy, given, { ...rest, ...options })).rejects.toThrow(new UserError(message))
  })

  it('a model whose numbers are no numbers any more', async () => {
    const { norm } = model.params
    const broken = { ...norm, data: (norm.data as Float32Array).map(() => Number.NaN) }
    const lost = await openPolicy(engine, { config: model.config, params: { ...model.params, norm: broken } })
    for (const options of [{ temperature: 0 }, {}, { temperature: 2 }, { repetitionPenalty: 2 }, { minP: 0.1 }, { topK: 3 }])
      await expect(sampleCompletions(lost, [[1]], { ...rest, ...options })).rejects.toThrow(
        'sample: log-probabilities must be numbers, got NaN; the model has diverged, go back to an earlier checkpoint',
      )
  })
})

it('no prompts, no completions', async () => {
  expect(await sampleCompletions(policy, [], { seed: 0, eosIds: [] })).toEqual([])
})

it('gives back the memory it took, after a failure too', async () => {
  const probe = async () => {
    const resident = await engine.allocate({ dtype: 'f32', shape: [1024] })
    await engine.release(resident)
    return resident.slot.offset
  }
  const before = await probe()
  await sampleCompletions(policy, prompts, { seed: 0, eosIds, perPrompt: 2, batch: 8 })
  expect(await probe()).toBe(before)
  const fail = () => {
    throw new Error('enough')
  }
  await expect(sampleCompletions(policy, prompts, { seed: 0, eosIds, batch: 8, onCompletion: fail })).rejects.toThrow('enough')
  expect(await probe()).toBe(before)
})

describe('says what transformers says', () => {
  interface Said {
    readonly prompt: number[]
    readonly setting: { repetition_penalty?: number; stop_strings?: string[] }
    readonly ids: number[]
  }
  const golden = Object.values(JSON.parse(readFileSync('fixtures/sampling/greedy.json', 'utf8')) as Record<string, Said>)

  it.each(golden.map((of) => [JSON.stringify(of.setting), of.prompt.length, of] as const))('with %s after %i tokens', async (_, __, of) => {
    const { repetition_penalty: repetitionPenalty, stop_strings: stop } = of.setting
    const [[said]] = (await sampleCompletions(policy, [of.prompt], {
      temperature: 0,
      maxTokens: 40,
      seed: 0,
      eosIds: model.eosIds,
      tokenizer: model.tokenizer,
      ...(repetitionPenalty ? { repetitionPenalty } : {}),
      ...(stop ? { stop } : {}),
    })) as [[Completion]]
    expect(said.ids).toEqual(of.ids)
    const whole = model.tokenizer.decode([...of.prompt, ...of.ids]).slice(model.tokenizer.decode(of.prompt).length)
    expect(said.text).toBe(stop ? whole.slice(0, whole.indexOf(stop[0]!)) : whole)
    expect([said.stop, said.ended]).toEqual(stop ? [stop[0], true] : [undefined, false])
  })
})

describe('tokens are told as they come', () => {
  const common = { seed: 21, eosIds, maxTokens: 30, perPrompt: 2, batch: 6, tokenizer: model.tokenizer }

  it.each<Partial<Sampling>>([{}, { stop: ['e', 't '] }, { repetitionPenalty: 1.1, stop: ['\uFFFD\uFFFD'] }])(
    'with %j',
    async (options) => {
      const told = new Map<string, { ids: number[]; logps: number[]; text: string }>()
      const all = await sampleCompletions(policy, prompts, {
        ...common,
        ...options,
        onToken(prompt, index, id, logp, piece) {
          const so = told.get(`${prompt} ${index}`) ?? { ids: [], logps: [], text: '' }
          told.set(`${prompt} ${index}`, { ids: [...so.ids, id], logps: [...so.logps, logp], text: so.text + piece })
        },
      })
      expect(told.size).toBe(prompts.length * 2)
      let stopped = 0
      for (const [i, completions] of all.entries())
        for (const [k, { ids, logps, text, ended, stop }] of completions.entries()) {
          expect(told.get(`${i} ${k}`)).toEqual({ ids, logps, text })
          for (const string of options.stop ?? []) expect(text).not.toContain(string)
          const end = eosIds.includes(ids.at(-1)!)
          expect(ended).toBe(end || stop !== undefined)
          // Up to the token before, no stop string was complete.
          const before = model.tokenizer.decode(prompts[i]!)
          const whole = model.tokenizer.decode([...prompts[i]!, ...(end ? ids.slice(0, -1) : ids)]).slice(before.length)
          if (stop === undefined) expect(text).toBe(whole)
          else expect(whole.startsWith(`${text}${stop}`)).toBe(true)
          if (stop !== undefined) stopped++
        }
      if (options.stop?.includes('e')) expect(stopped).toBeGreaterThan(3)
    },
  )

  it('and chooses the same tokens without a text', async () => {
    const { tokenizer: _, ...rest } = common
    const ids = (of: Completion[][]) => of.map((completions) => completions.map((completion) => completion.ids))
    const plain = await sampleCompletions(policy, prompts, rest)
    expect(ids(plain)).toEqual(ids(await sampleCompletions(policy, prompts, common)))
    expect(plain[0]![0]).not.toHaveProperty('text')
  })

  it('and gives back its memory when it is stopped by a throw', async () => {
    let tokens = 0
    const enough = new Error('enough')
    const onToken = () => {
      if (++tokens === 40) throw enough
    }
    await expect(sampleCompletions(policy, prompts, { ...common, onToken })).rejects.toBe(enough)
    expect(tokens).toBe(40)
  })
})
