import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../../checkpoints/index.ts'
import { openEngine } from '../../engine/index.ts'
import { openPolicy, scoreTrees } from '../../policy/index.ts'
import { endpointJudge } from './endpoint-judge.ts'
import type { JudgedPair } from './judge.ts'
import { modelJudge } from './model-judge.ts'
import { answerIn, questionText, usualQuestion } from './question.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-asked-'))
let names = 0
const keep = () => join(folder, `${names++}.jsonl`)
const sample = (text: string, prompt: string) => ({ prompt, text, tokens: text.length, ended: true })
const pairs = (n: number): JudgedPair[] =>
  Array.from({ length: n }, (_, i) => ({ a: sample(`short ${i}`, `p${i}`), b: sample(`much longer ${i}`, `p${i}`) }))
const swap = ({ a, b }: JudgedPair): JudgedPair => ({ a: b, b: a })

/** A server that speaks as an OpenAI-compatible one does; `reply` says what it answers, and after how long. */
type Reply = (
  question: string,
  n: number,
  turns: number,
) => { text?: string; status?: number; raw?: string; hang?: boolean; breakOff?: boolean; ms?: number }
let server: Server
let url = ''
let reply: Reply
let asked: { question: string; key: string | undefined }[] = []
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { messages } = JSON.parse(body) as { messages: { content: string }[] }
      const question = messages[0]!.content
      asked.push({ question, key: request.headers.authorization })
      const { text, status = 200, raw, hang, breakOff, ms = 0 } = reply(question, asked.length, messages.length)
      if (hang) return
      if (breakOff) return void response.destroy()
      setTimeout(() => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(
          raw ?? JSON.stringify({ choices: [{ message: { content: text } }], usage: { prompt_tokens: 100, completion_tokens: 2 } }),
        )
      }, ms)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterEach(() => {
  asked = []
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true })
})
const judge = (more: Partial<Parameters<typeof endpointJudge>[0]> = {}) => endpointJudge({ url, model: 'm', keep: keep(), ...more })
const longer = (question: string) => (/much longer[\s\S]*Completion B/.test(question) ? 'A' : 'B')

describe('an endpoint as the judge', () => {
  it('answers about many pairs at once, slow as it may be, in both orders, and is asked nothing twice', async () => {
    reply = (question) => ({ text: longer(question), ms: 20 })
    const one = judge({ price: { prompt: 2, completion: 10 } })
    const all = [...pairs(20), ...pairs(20).map(swap), ...pairs(3)]
    const heard: number[] = []
    const votes = await one.votes(all, 0, { onVotes: (count) => heard.push(count) })
    expect(votes).toEqual([...pairs(20).map(() => [0, 1]), ...pairs(20).map(() => [1, 0]), ...pairs(3).map(() => [0, 1])])
    expect([asked.length, heard.reduce((a, b) => a + b)]).toEqual([40, 43])
    expect(await one.votes(all, 0)).toEqual(votes)
    expect(asked).toHaveLength(40)
    expect(await one.spent!()).toEqual({ requests: 40, promptTokens: 4000, completionTokens: 80, money: (4000 * 2 + 80 * 10) / 1e6 })
    expect(await one.spoken!()).toHaveLength(40)
  })

  it('fails half-way: what it answered is kept, and it goes on from there', async () => {
    reply = (question, n) => (n > 12 ? { status: 401, raw: 'no more' } : { text: longer(question) })
    const file = keep()
    await expect(judge({ keep: file, atOnce: 1 }).votes(pairs(20), 0)).rejects.toThrow(
      /judge m at http.*must answer, got status 401: "no more"; .* kept in/,
    )
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(12)
    asked = []
    reply = (question) => ({ text: longer(question) })
    expect(await judge({ keep: file }).votes(pairs(20), 0)).toHaveLength(20)
    expect(asked).toHaveLength(8)
  })

  it('answers nonsense: it is asked once more, and then it is a skip, counted, without a vote to speak of', async () => {
    reply = (_, __, turns) => ({
      text: turns === 1 ? 'A fine story, both of them.' : asked.at(-1)!.question.includes('p1\n') ? 'tie' : 'who knows',
    })
    const one = judge()
    const [first, second] = await one.votes(pairs(2), 0)
    expect(first![0]).toBe(first![1])
    expect(first![0]).toBeLessThan(1e-3)
    expect(second).toEqual([0.5, 0.5])
    expect((await one.spoken!()).map(({ choice }) => choice).toSorted()).toEqual(['skip', 'tie'])
    expect(asked).toHaveLength(4)
  })

  it.each([
    ['hangs', () => ({ hang: true }), /got no answer in 0\.05 s/],
    ['breaks off', () => ({ breakOff: true }), /must answer, got /],
    ['is broken', () => ({ status: 500, raw: 'oops' }), /got status 500: "oops"/],
    ['speaks another language', () => ({ raw: '<html>' }), /got no chat completion: "<html>"/],
  ] as const)(
    'that %s is tried four times and no more',
    async (_, how, message) => {
      reply = how as Reply
      await expect(judge({ timeoutSeconds: 0.05, atOnce: 1 }).votes(pairs(3), 0)).rejects.toThrow(message)
      expect(asked).toHaveLength(4)
    },
    30_000,
  )

  it('stops at its budget, in tokens or in money, and goes on with a larger one', async () => {
    reply = (question) => ({ text: longer(question) })
    const file = keep()
    await expect(judge({ keep: file, budget: 500, atOnce: 1 }).votes(pairs(20), 0)).rejects.toThrow(
      /must stay within its budget of 500 tokens, got 510 spent/,
    )
    expect(asked).toHaveLength(5)
    const price = { prompt: 1000, completion: 0 }
    await expect(judge({ keep: file, budget: 0.65, price, atOnce: 1 }).votes(pairs(20), 0)).rejects.toThrow(
      /budget of 0\.65, got 0\.7000 spent/,
    )
    expect(await judge({ keep: file }).votes(pairs(20), 0)).toHaveLength(20)
  })

  it('reads its key from the environment, and says what is wrong with its options', async () => {
    reply = (question) => ({ text: longer(question) })
    process.env.JUDGE_KEY = 'k'
    await judge({ keyFrom: 'JUDGE_KEY' }).votes(pairs(1), 0)
    expect(asked[0]!.key).toBe('Bearer k')
    await expect(judge({ keyFrom: 'NO_SUCH_KEY' }).votes(pairs(1), 0)).rejects.toThrow(/must hold NO_SUCH_KEY, got none/)
    expect(() => judge({ url: 'localhost:8080' })).toThrow(/endpoint\.url: must begin with http/)
  })

  it('stops when it is asked to', async () => {
    reply = () => ({ hang: true })
    const stop = new AbortController()
    const votes = judge().votes(pairs(5), 0, { signal: stop.signal })
    setTimeout(() => stop.abort(new Error('interrupted')), 30)
    await expect(votes).rejects.toThrow('interrupted')
  })

  it.each([
    ['A', 'a'],
    [' **B**. ', 'b'],
    ['Answer: tie', 'tie'],
    ['The answer is "none"', 'none'],
    ['(A)', 'a'],
    ['A good story', undefined],
    ['a', undefined],
    ['', undefined],
    ['A or B', undefined],
  ])('%j is the answer %s', (text, answer) => expect(answerIn(text)).toBe(answer))
})

describe('a second model as the judge', () => {
  const model = 'fixtures/llama-tiny'

  it('splits its vote by the log-probabilities of its answers', async () => {
    const one = modelJudge({ model, keep: keep() })
    const votes = await one.votes(pairs(3), 0)
    const checkpoint = await loadCheckpoint(model)
    const engine = openEngine({ threads: 1 })
    const policy = await openPolicy(engine, checkpoint)
    const { tokenizer } = checkpoint
    const prompt = tokenizer.encode(`${questionText(pairs(3)[1]!, usualQuestion)}\n\nAnswer:`)
    const [a, b] = await scoreTrees(policy, [{ prompt, completions: [tokenizer.encode(' A', { special: false }), tokenizer.encode(' B', { special: false })] }]) // biome-ignore format: one line
    await engine.close()
    expect(Math.log(votes[1]![0] / votes[1]![1])).toBeCloseTo(a! - b!, 3)
    expect(votes[1]![0] + votes[1]![1]).toBeCloseTo(1, 12)
    expect(await one.votes(pairs(3), 0)).toEqual(votes)
    await one.close!()
  })

  it('that writes nonsense is asked once more and then skips, and what does not fit its context is a skip', async () => {
    const one = modelJudge({ model, by: 'answer', keep: keep() })
    const long = { a: sample('word '.repeat(5000), 'p'), b: sample('x', 'p') }
    const votes = await one.votes([...pairs(2), long], 0)
    await one.close!()
    expect(votes.every(([a, b]) => a === b && a < 1e-3)).toBe(true)
    expect((await one.spoken!()).map(({ choice }) => choice)).toEqual(['skip', 'skip', 'skip'])
    expect((await one.spent!()).completionTokens).toBeGreaterThan(0)
  })
})
