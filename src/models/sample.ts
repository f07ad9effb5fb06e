import { UserError } from '../graph/index.ts'
import { type NextToken, openCache, type Writing } from './cache.ts'
import { choose } from './choose.ts'
import { checkIds, type Policy } from './policy.ts'
import { uniform } from './uniform.ts'

export interface Sampling {
  /** Completions of each prompt. Default 1. */
  readonly perPrompt?: number
  /** Most new tokens. Default: what the context leaves. */
  readonly maxTokens?: number
  /** 0 takes the likeliest token. Default 1. */
  readonly temperature?: number
  /** Only the k likeliest tokens. Default: all. */
  readonly topK?: number
  /** Only the likeliest tokens that together have at least this probability. Default 1: all. */
  readonly topP?: number
  readonly seed: number
  readonly eosIds: readonly number[]
  /** Completions written side by side. Default 64. */
  readonly batch?: number
  /** Called as completions are finished, in the order they end. */
  readonly onCompletion?: (prompt: number, index: number, completion: Completion) => void
}

/** What a policy said after a prompt. */
export interface Completion {
  /** The end token is the last id when it was said. */
  readonly ids: readonly number[]
  /** Log-probability of each id under the full softmax at temperature 1, whatever the sampling was; nats. */
  readonly logps: readonly number[]
  readonly ended: boolean
}

/**
 * Samples completions: a prompt is read once and shared by all its completions, finished ones make room for the next, and keys and
 * values stay in the engine (each step returns only the new ones).
 *
 * Random numbers belong to (seed, prompt index, completion index, token index, depth of choice), so a completion does not depend on its neighbours.
 *
 * throws  UserError for a prompt that does not fit the model, a setting that cannot be, and a model that has diverged
 * limits  how many rows are read at once decides the last bits of a probability; 96 stories were the same in batches of 8 and of 32
 */
export async function sampleCompletions(
  policy: Policy,
  prompts: readonly (readonly number[])[],
  options: Sampling,
): Promise<Completion[][]> {
  const { perPrompt = 1, batch = 64 } = options
  checkSampling(options)
  const context = policy.config.contextLength
  for (const [i, prompt] of prompts.entries()) {
    if (prompt.length === 0 || prompt.length >= context)
      throw new UserError(
        `sample: prompt ${i} must have 1 to ${context - 1} tokens (the context is ${context}), got ${prompt.length}; shorten it`,
      )
    checkIds(`sample: ids of prompt ${i}`, prompt, policy.config)
  }
  const run = openCache(policy, Math.min(Math.max(batch, perPrompt), prompts.length * perPrompt), options.temperature ?? 1)
  const results: Completion[][] = prompts.map(() => [])
  const waiting = prompts.map((_, i) => i)
  const pick = picker(options)

  const begin = (prompt: number, index: number): Writing => ({
    prompt,
    index,
    ids: [],
    logps: [],
    length: prompts[prompt]!.length,
    most: Math.min(options.maxTokens ?? context, context - prompts[prompt]!.length),
  })
  const say = (writing: Writing, next: NextToken): boolean => {
    const id = pick(next.weights, writing)
    const logp = next.logp(id)
    if (Number.isNaN(logp))
      throw new UserError('sample: log-probabilities must be numbers, got NaN; the model has diverged, go back to an earlier checkpoint')
    writing.ids.push(id)
    writing.logps.push(logp)
    const ended = options.eosIds.includes(id)
    if (!ended && writing.ids.length < writing.most) return true
    const completion = { ids: writing.ids, logps: writing.logps, ended }
    results[writing.prompt]![writing.index] = completion
    options.onCompletion?.(writing.prompt, writing.index, completion)
    return false
  }

  try {
    while (waiting.length > 0 || run.active() > 0) {
      const fits = Math.min(waiting.length, Math.floor(run.free() / perPrompt))
      // New prompts are read a quarter of the rows at a time: one large product is cheaper than many small ones.
      if (fits > 0 && (fits >= Math.min(waiting.length, run.size() / perPrompt / 4) || run.active() === 0)) {
        const next = waiting.splice(0, fits)
        const rows = await run.read(next.map((i) => prompts[i]!))
        const started = next.flatMap((prompt, from) => Array.from({ length: perPrompt }, (_, k) => ({ from, writing: begin(prompt, k) })))
        await run.start(started.filter(({ from, writing }) => say(writing, rows.at(from))))
        continue
      }
      const rows = await run.step()
      run.keep((writing, row) => say(writing, rows.at(row)))
      if (waiting.length === 0) await run.shrink()
    }
  } finally {
    await run.close()
  }
  return results
}

function checkSampling({ perPrompt, maxTokens, temperature, topK, topP, seed, batch }: Sampling) {
  const must = (name: string, value: number | undefined, holds: (x: number) => boolean, rule: string, remedy: string) => {
    if (value !== undefined && !holds(value)) throw new UserError(`sample: ${name} must be ${rule}, got ${value}; ${remedy}`)
  }
  const counts = (x: number) => Number.isInteger(x) && x >= 1
  const whole = 'a whole number from 1 on'
  must('perPrompt', perPrompt, counts, whole, '1 is the default')
  must('maxTokens', maxTokens, counts, whole, 'leave it out to fill the context')
  must('temperature', temperature, (x) => Number.isFinite(x) && x >= 0, 'a number from 0 on', '1 samples as the model says')
  must('topK', topK, counts, whole, 'leave it out for all tokens')
  must('topP', topP, (x) => x > 0 && x <= 1, 'above 0 and at most 1', 'leave it out for all tokens')
  must('batch', batch, counts, whole, '96 is the default')
  must('seed', seed, Number.isInteger, 'a whole number', 'any will do')
}

function picker({ temperature = 1, topK, topP, seed }: Sampling): (weights: Float32Array, writing: Writing) => number {
  return (weights, { prompt, index, ids }) =>
    choose(weights, (depth) => uniform(seed, prompt, index, ids.length, depth), {
      greedy: temperature === 0,
      ...(topK ? { topK } : {}),
      ...(topP ? { topP } : {}),
    })
}
