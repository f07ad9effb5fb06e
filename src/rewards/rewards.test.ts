import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goal, goalScale, type ReadBy, type Sample } from '../goals/index.ts'
import { commandReward, goalsReward, keptReward, type Reward, type RewardRow, rewardJudge } from './index.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-rewards-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const rows = (n: number): RewardRow[] =>
  Array.from({ length: n }, (_, i) => ({ prompt: { text: 'Once' }, completion: ` there was ${'o'.repeat(i)}` }))

/** A program that scores by the length of a completion; `body` may do something else for a line, whose number counts from 0. */
async function program(name: string, body: string): Promise<string> {
  const file = join(folder, `${name}.mjs`)
  await writeFile(
    file,
    `import { createInterface } from 'node:readline'
import { existsSync, appendFileSync } from 'node:fs'
const log = ${JSON.stringify(join(folder, `${name}.log`))}
const again = existsSync(log)
appendFileSync(log, '')
let i = 0
for await (const line of createInterface({ input: process.stdin })) {
  const { prompt, completion } = JSON.parse(line)
  if (prompt !== 'Once') process.exit(9)
  appendFileSync(log, completion + '\\n')
  const said = completion.length
  ${body}
  i++
}
`,
  )
  return `node ${file}`
}
const asked = async (name: string) => (await readFile(join(folder, `${name}.log`), 'utf8')).split('\n').slice(0, -1)
const lengths = (n: number) => rows(n).map(({ completion }) => completion.length)
const values = async (reward: Reward, n: number) => (await reward.score(rows(n))).map(({ value }) => value)

describe('commandReward', () => {
  it('reads completions, and takes numbers and objects', async () => {
    const command = await program('objects', 'console.log(i % 2 ? JSON.stringify({ reward: said, sd: 0.5 }) : said)')
    const scored = await commandReward(command).score(rows(4))
    expect(scored).toEqual(lengths(4).map((value, i) => (i % 2 ? { value, sd: 0.5 } : { value })))
  })

  it.each([
    ['echo NaN', 1, /line 1: a reward must be a number, got NaN; write a finite number/],
    ['echo good', 1, /line 1: a reward must be a number, got "good"/],
    ['echo 1 && echo -Infinity', 2, /line 2: a reward must be bounded, between −1000000 and 1000000, got -Infinity/],
    ['echo 1e30', 1, /a reward must be bounded, .* got 1e\+30; clip it, or scale it down/],
    ['echo {}', 1, /a reward must be a number, got nothing/],
    ['echo 1', 2, /must give one score for each of 2 completions, got 1; write one line for each/],
    ['echo 1 && echo 2', 1, /must give one score for each of 1 completions, got more/],
    ['exit 3', 4, /must score 4 completions and exit with 0, got exit code 3 after line 0 in the last of 2 tries/],
  ])('says by name what it can not use: %s', async (command, n, said) => {
    await expect(commandReward(command, { tries: 2 }).score(rows(n))).rejects.toThrow(said)
  })

  it('gives a command the turns of a talk beside its text', async () => {
    const messages = [{ role: 'user' as const, content: 'Hi' }]
    const file = join(folder, 'talk.jsonl')
    await commandReward(`tee ${file} | sed 's/.*/1/'`).score([{ prompt: { messages }, completion: 'Yes.' }])
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ prompt: 'Hi', messages, completion: 'Yes.' })
  })

  it('is ended where it hangs, and asked again only about what it has not scored', async () => {
    const command = await program(
      'hangs',
      'if (!again && i === 2) setInterval(() => {}, 1000); else console.log(said); if (!again && i === 2) break',
    )
    expect(await values(commandReward(command, { timeoutSeconds: 1 }), 4)).toEqual(lengths(4))
    // The first run was asked about all and answered two; the second about the other two.
    const texts = rows(4).map(({ completion }) => completion)
    expect(await asked('hangs')).toEqual([...texts.slice(0, 3), ...texts.slice(2)])
    const never = await program('never', 'setInterval(() => {}, 1000); break')
    await expect(commandReward(never, { timeoutSeconds: 0.3, tries: 2 }).score(rows(1))).rejects.toThrow(
      'got no line for 0.3 seconds after line 0 in the last of 2 tries',
    )
  })

  it('ends when it is told to', async () => {
    const stop = new AbortController()
    const waits = commandReward(await program('waits', 'setInterval(() => {}, 1000); break')).score(rows(1), stop.signal)
    setTimeout(() => stop.abort(new Error('enough')), 200)
    await expect(waits).rejects.toThrow('enough')
  })
})

describe('keptReward', () => {
  it('asks about nothing twice, also where it failed half-way and in another process', async () => {
    const command = await program('half', 'if (!again && i === 2) process.exit(1); console.log(said)')
    const file = join(folder, 'kept/half.jsonl')
    await expect(values(keptReward(commandReward(command, { tries: 1 }), file), 3)).rejects.toThrow('exit code 1 after line 2')
    // A kill may tear the last line.
    await writeFile(file, `${await readFile(file, 'utf8')}{"prompt":"On`)
    expect(await values(keptReward(commandReward(command), file), 5)).toEqual(lengths(5))
    expect(await values(keptReward(commandReward('exit 1'), file), 5)).toEqual(lengths(5))
    expect(await asked('half')).toHaveLength(3 + 3)
    expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(5)
  })

  it('keeps nothing of a reward that counts otherwise, of which nobody knows what is whose', async () => {
    const file = join(folder, 'kept/counts.jsonl')
    const reward = keptReward(commandReward(await program('counts', 'if (again || i !== 1) console.log(said)')), file)
    await expect(values(reward, 3)).rejects.toThrow('got 2')
    expect(await readFile(file, 'utf8')).toBe('')
    expect(await values(reward, 3)).toEqual(lengths(3))
    const short: Reward = { name: 'short', score: async () => [{ value: 1 }], close: async () => {} }
    await expect(values(keptReward(short, join(folder, 'kept/short.jsonl')), 2)).rejects.toThrow(
      'reward short: must give one score for each of 2',
    )
  })
})

it('goalsReward is the weighted sum of goals in standard deviations', async () => {
  const os = goal('os', ({ text }) => text.match(/o/g)?.length ?? 0)
  const tokens = goal('tokens', (sample) => sample.tokens)
  const sample = (text: string, tokens: number): Sample => ({ prompt: 'Once', text, tokens, ended: true })
  const scale = goalScale([os, tokens], [sample('o', 1), sample('ooo', 3)])
  const checkpoint = { tokenizer: { encode: (text: string) => [...text].map(() => 1) }, eosIds: [2] }
  const reward = goalsReward(scale, [2, -1], { checkpoint } as unknown as ReadBy)
  // Means 2 and 2, standard deviations √2 and √2; 'oo' has 2 of each, or 4 tokens where they are given.
  const scored = await reward.score([
    { prompt: { text: 'Once' }, completion: 'oo' },
    { prompt: { text: 'Once' }, completion: 'oooo', completionIds: [1, 1, 1, 2] },
  ])
  expect(scored.map(({ value }) => value)).toEqual([0, (2 * 2 - 2) / Math.SQRT2].map((x) => expect.closeTo(x, 12)))
  const judge = rewardJudge('os', os.measure)
  const [a, b] = [sample('oo', 1), sample('o', 1)]
  expect(await judge.votes([{ a, b }, { a: b, b: a }, { a, b: a }], 0)).toEqual([[1, 0], [0, 1], [1, 1]]) // biome-ignore format: one line
})
