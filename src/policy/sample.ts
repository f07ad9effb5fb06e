import { UserError } from '../graph/index.ts'
import { type Completion, checkSampling, type DecodedText, decodedText, type Sampling } from '../models/sampling.ts'
import { random } from '../random/index.ts'
import type { Follower } from '../text/index.ts'
import { openCache, type Writing } from './cache.ts'
import { checkIds } from './check-ids.ts'
import { drawToken } from './draw-token.ts'
import type { NextToken } from './next-token.ts'
import { penalise } from './penalise.ts'
import type { Policy } from './policy.ts'

/**
 * Samples completions: a prompt is read once and shared by all its completions, finished ones make room for the next, and keys and
 * values stay in the engine (each step returns only the new ones).
 *
 * Tokens are chosen as transformers does it: repetition penalty, temperature, top-k, top-p, min-p. A stop string ends the completion with the
 * token that completes it, which is among the ids; the text ends before the stop string.
 *
 * Random numbers belong to (seed, prompt index, completion index, token index, depth of choice), so a completion does not depend on its neighbours.
 *
 * throws  UserError for a prompt that does not fit the model, a setting that cannot be, and a model that has diverged
 * limits  how many rows are read at once decides the last bits of a probability; 96 stories were the same in batches of 8 and of 32
 */
export async function sampleCompletions(policy: Policy, prompts: readonly (readonly number[])[], given: Sampling): Promise<Completion[][]> {
  checkSampling(given)
  if (policy.streamed && policy.adapters && (given.weights ?? 'f32') !== 'f32')
    throw new UserError(
      `sample: weights must be f32 for a model with an adapter that is read from its file block by block, got ${given.weights}; merge the adapter into it first`,
    )
  // So near to 0 logits overflow when they are divided, and only equal ones could both be drawn.
  const options = (given.temperature ?? 1) < 1e-20 ? { ...given, temperature: 0 } : given
  const { perPrompt = 1, batch = 64 } = options
  const context = policy.config.contextLength
  for (const [i, prompt] of prompts.entries()) {
    if (prompt.length === 0 || prompt.length >= context)
      throw new UserError(
        `sample: prompt ${i} must have 1 to ${context - 1} tokens (the context is ${context}), got ${prompt.length}; shorten it`,
      )
    checkIds(`sample: ids of prompt ${i}`, prompt, policy.config)
  }
  const temperature = needsLogits(options) ? 'logits' : (options.temperature ?? 1)
  const mostOf = (ids: readonly number[]) => Math.min(options.maxTokens ?? context, context - ids.length)
  const run = openCache(policy, {
    rows: Math.min(Math.max(batch, perPrompt), prompts.length * perPrompt),
    longest: prompts.reduce((most, ids) => Math.max(most, ids.length + mostOf(ids)), 0),
    temperature,
    ...(options.weights ? { weights: options.weights } : {}),
  })
  const results: Completion[][] = prompts.map(() => [])
  // Rows of like length lie side by side, so that little of the cache is read in vain.
  const waiting = prompts.map((_, i) => i).sort((a, b) => prompts[a]!.length - prompts[b]!.length || a - b)
  const draw = drawer(options, prompts)
  const { tokenizer } = options
  const decoded = new Map<Writing, DecodedText>()
  const followed = new Map<Writing, { readonly follower: Follower; allowed: Allowed }>()

  const begin = (prompt: number, index: number): Writing => {
    const ids = prompts[prompt]!
    const writing = { prompt, index, ids: [], logps: [], length: ids.length, most: mostOf(ids) }
    if (tokenizer) decoded.set(writing, decodedText(tokenizer, ids, options.stop))
    return writing
  }
  /** Asks what may come next in completions that are constrained, those that begin included. */
  const follow = async (writings: Iterable<Writing>) => {
    if (!options.constrain) return
    for (const writing of writings) {
      const follower = followed.get(writing)?.follower ?? (await options.constrain())
      followed.set(writing, { follower, allowed: await follower.allowed() })
    }
  }
  const append = (writing: Writing, next: NextToken): boolean => {
    const { follower, allowed } = followed.get(writing) ?? {}
    const id = draw(next, writing, allowed)
    const logp = next.logp(id)
    if (Number.isNaN(logp))
      throw new UserError('sample: log-probabilities must be numbers, got NaN; the model has diverged, go back to an earlier checkpoint')
    const { prompt, index, ids, logps, most } = writing
    ids.push(id)
    logps.push(logp)
    follower?.push(id)
    const soFar = decoded.get(writing)
    const end = options.eosIds.includes(id)
    let piece = end ? '' : (soFar?.push(id) ?? '')
    const ended = end || soFar?.stop !== undefined
    const goesOn = !ended && ids.length < most
    if (!goesOn) piece += soFar?.end() ?? ''
    options.onToken?.(prompt, index, id, logp, piece)
    if (goesOn) return true
    decoded.delete(writing)
    followed.delete(writing)
    follower?.close()
    const text = soFar && { text: soFar.text, ...(soFar.stop === undefined ? {} : { stop: soFar.stop }) }
    const completion = { ids, logps, ended, ...text }
    results[prompt]![index] = completion
    options.onCompletion?.(prompt, index, completion)
    return false
  }

  try {
    while (waiting.length > 0 || run.active() > 0) {
      const fits = Math.min(waiting.length, Math.floor(run.free() / perPrompt))
      // New prompts are read when a quarter of the rows is free: one large product is cheaper than many small ones, but a larger one needs memory.
      const quarter = run.size() / 4
      if (fits > 0 && (fits >= Math.min(waiting.length, quarter / perPrompt) || run.active() === 0)) {
        const next = waiting.splice(0, Math.min(fits, Math.ceil(quarter)))
        const rows = await run.read(
          next.map((i) => prompts[i]!),
          next,
        )
        const started = next.flatMap((prompt, from) => Array.from({ length: perPrompt }, (_, k) => ({ from, writing: begin(prompt, k) })))
        await follow(started.map(({ writing }) => writing))
        await run.start(started.filter(({ from, writing }) => append(writing, rows.at(from))))
        continue
      }
      const rows = await run.step()
      await follow(followed.keys())
      run.keep((writing, row) => append(writing, rows.at(row)))
      if (waiting.length === 0) await run.shrink()
    }
  } finally {
    for (const { follower } of followed.values()) follower.close()
    await run.close()
  }
  return results
}

type Allowed = (id: number) => boolean

function drawer(sampling: Sampling, prompts: readonly (readonly number[])[]) {
  const { temperature = 1, topK, topP, minP, seed, repetitionPenalty = 1 } = sampling
  const choice = { greedy: temperature === 0, ...(topK ? { topK } : {}), ...(topP ? { topP } : {}), ...(minP ? { minP } : {}) }
  const { uniform } = random(seed, 'sample')
  const weigh = ({ weights }: NextToken, { prompt, ids }: Writing, allowed: Allowed | undefined) =>
    needsLogits(sampling)
      ? penalise(weights, [...prompts[prompt]!, ...ids], { temperature, repetitionPenalty, ...(allowed ? { allowed } : {}) })
      : weights
  return (next: NextToken, writing: Writing, allowed?: Allowed) =>
    next.likeliest ??
    drawToken(weigh(next, writing, allowed), (depth) => uniform(writing.prompt, writing.index, writing.ids.length, depth), choice)
}

/** Logits are read only when they are changed: probabilities at a temperature come from the engine for less. */
function needsLogits({ repetitionPenalty = 1, constrain }: Sampling): boolean {
  return repetitionPenalty !== 1 || constrain !== undefined
}
