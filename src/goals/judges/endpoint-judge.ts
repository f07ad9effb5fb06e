import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { UserError } from '../../graph/errors.ts'
import { type Judge, type JudgedPair, keyOf, type Spent } from './judge.ts'
import { keptAnswers, moneyOf, type Price } from './kept-answers.ts'
import { voteOf } from './people.ts'
import { answerIn, onceMore, questionText, usualQuestion } from './question.ts'

export interface EndpointOptions {
  /** The base of an OpenAI-compatible API, such as `http://127.0.0.1:8080/v1`. */
  readonly url: string
  /** The model's name there. */
  readonly model: string
  /** The file where its answers are kept; no pair is asked twice in one order. */
  readonly keep: string
  /** What makes a completion better, in a sentence or more. */
  readonly question?: string | undefined
  /** The environment variable that holds the key. */
  readonly keyFrom?: string | undefined
  /** What a million tokens cost. */
  readonly price?: Price | undefined
  /** It stops before it costs more: in the currency of the price, or tokens where there is none. */
  readonly budget?: number | undefined
  /** Requests at once. Default 8. */
  readonly atOnce?: number | undefined
  /** How long one answer may take. Default 60. */
  readonly timeoutSeconds?: number | undefined
}

/** How often a request is tried in all, where the server is busy, breaks off or does not answer in time. */
const TRIES = 4

const replySchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }) })).min(1),
  usage: z.object({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0) }).nullish(),
})

/**
 * A model behind an OpenAI-compatible endpoint as the judge. Its answer is one of A, B, tie and none; anything else is asked once more and is then a
 * skip, which is counted and has no votes to speak of. Several requests are under way at once; each is tried four times at most. Answers are
 * kept as they come: a run that goes on asks only what is open.
 *
 * throws  UserError when the server refuses, does not answer in four tries, or the budget is spent
 * limits  requests that were under way when the budget was reached are still paid
 */
export function endpointJudge(options: EndpointOptions): Judge {
  const { url, model, keep, price, budget, atOnce = 8 } = options
  const where = `judge ${model} at ${url}`
  const answers = keptAnswers(keep, model)
  checkUrl(url)
  return {
    name: model,
    kind: 'endpoint',
    about: `the model ${model} at ${url}, by its answers`,
    prepare: answers.prepare,
    spoken: answers.spoken,
    spent: () => answers.spent(price),
    async votes(pairs, _, { onVotes, signal } = {}) {
      const before = await answers.known()
      const open = [...new Map(pairs.filter((pair) => !before(pair)).map((pair) => [keyOf(pair.a.prompt, pair.a.text, pair.b.text), pair])).values()] // biome-ignore format: one line
      onVotes?.(pairs.length - open.length)
      const spent = { ...(await answers.spent()) }
      const stop = new AbortController()
      const heard = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
      let next = 0
      const work = async () => {
        while (next < open.length) {
          heard.throwIfAborted()
          checkBudget(where, spent, price, budget, keep)
          const pair = open[next++]!
          const said = await askedTwice(pair, options, where, heard)
          await answers.add(pair, said)
          for (const name of ['requests', 'promptTokens', 'completionTokens'] as const) add(spent, name, said[name])
          onVotes?.(1)
        }
      }
      const workers = Array.from({ length: Math.min(atOnce, open.length) }, () =>
        work().catch((error) => {
          stop.abort(error)
          throw error
        }),
      )
      const failed = (await Promise.allSettled(workers)).find((one) => one.status === 'rejected')
      signal?.throwIfAborted()
      if (failed) throw stop.signal.reason ?? failed.reason
      const known = await answers.known()
      return pairs.map((pair) => known(pair)!)
    },
  }
}

type Counted = { -readonly [K in keyof Spent]: Spent[K] }

function add(spent: Counted, name: 'requests' | 'promptTokens' | 'completionTokens', more: number) {
  spent[name] += more
}

function checkUrl(url: string): void {
  if (!/^https?:\/\/\S+$/.test(url)) throw new UserError(`endpoint.url: must begin with http:// or https://, got ${JSON.stringify(url)}; give the address of the API, such as http://127.0.0.1:8080/v1`, { inRecipe: true }) // biome-ignore format: one line
}

function checkBudget(where: string, spent: Spent, price: Price | undefined, budget: number | undefined, keep: string): void {
  if (budget === undefined) return
  const used = price ? moneyOf(spent, price) : spent.promptTokens + spent.completionTokens
  if (used >= budget)
    throw new UserError(
      `${where}: must stay within its budget of ${budget}${price ? '' : ' tokens'}, got ${price ? used.toFixed(4) : used} spent; its answers are kept in ${keep}: raise the budget and go on`,
    )
}

/** Asks about a pair, and once more where the answer is none of the four words. */
async function askedTwice(pair: JudgedPair, options: EndpointOptions, where: string, signal: AbortSignal) {
  const messages: Message[] = [{ role: 'user', content: questionText(pair, options.question ?? usualQuestion) }]
  const total = { requests: 0, promptTokens: 0, completionTokens: 0 }
  for (let asked = 1; ; asked++) {
    const { text, promptTokens, completionTokens } = await request(messages, options, where, signal)
    total.requests++
    total.promptTokens += promptTokens
    total.completionTokens += completionTokens
    const answer = answerIn(text) ?? (asked === 2 ? 'skip' : undefined)
    if (answer) return { answer, votes: [...voteOf(answer)] as [number, number], ...total }
    messages.push({ role: 'assistant', content: text.slice(0, 500) }, { role: 'user', content: onceMore })
  }
}

interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

async function request(messages: readonly Message[], options: EndpointOptions, where: string, signal: AbortSignal) {
  let why = ''
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const limit = AbortSignal.timeout(1000 * (options.timeoutSeconds ?? 60))
    let wait = 250 * 2 ** attempt
    try {
      const answer = await fetch(`${options.url.replace(/\/+$/, '')}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...keyHeader(options.keyFrom) },
        body: JSON.stringify({ model: options.model, messages, temperature: 0, max_tokens: 16 }),
        signal: AbortSignal.any([signal, limit]),
        redirect: 'error',
      })
      const body = await answer.text()
      if (answer.ok) {
        const parsed = replySchema.safeParse(jsonOf(body))
        if (parsed.success) {
          const { choices, usage } = parsed.data
          return {
            text: choices[0]!.message.content ?? '',
            promptTokens: usage?.prompt_tokens ?? 0,
            completionTokens: usage?.completion_tokens ?? 0,
          }
        }
        why = `no chat completion: ${JSON.stringify(body.slice(0, 80))}`
      } else {
        why = `status ${answer.status}: ${JSON.stringify(body.slice(0, 120))}`
        if (answer.status < 500 && ![408, 409, 425, 429].includes(answer.status)) break
        wait = Math.min(30_000, Math.max(wait, 1000 * (Number(answer.headers.get('retry-after')) || 0)))
      }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof UserError) throw error
      why = limit.aborted ? `no answer in ${options.timeoutSeconds ?? 60} s` : String((error as Error).cause ?? error)
    }
    if (attempt < TRIES) await setTimeout(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
  throw new UserError(`${where}: must answer, got ${why}; what it answered is kept in ${options.keep}: mend the server and go on`)
}

function keyHeader(keyFrom: string | undefined): Record<string, string> {
  if (keyFrom === undefined) return {}
  const key = process.env[keyFrom]
  if (!key) throw new UserError(`endpoint.keyFrom: the environment must hold ${keyFrom}, got none; set it to the key of the endpoint`)
  return { authorization: `Bearer ${key}` }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
