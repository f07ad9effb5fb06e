import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { UserError } from '../../graph/errors.ts'
import type { Sample } from '../goal.ts'
import { goalScale } from '../goal-scale.ts'
import { goals } from '../index.ts'
import { sigmoid } from '../likelihood.ts'
import { commandJudge } from './command-judge.ts'
import { goalsJudge } from './goals-judge.ts'
import type { JudgedPair } from './judge.ts'
import { shuffled, simulatedVoter } from './simulated-voter.ts'
import { votesFile } from './votes-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-judges-'))
afterAll(() => rmSync(folder, { recursive: true }))

const sample = (text: string, prompt = 'Once'): Sample => ({ prompt, text, tokens: text.length, ended: true })
const pair = (a: string, b: string): JudgedPair => ({ a: sample(a), b: sample(b) })
const many = (n: number): JudgedPair[] => Array.from({ length: n }, (_, i) => pair(`a${i}`, `b${i} longer`))
const swap = ({ a, b }: JudgedPair): JudgedPair => ({ a: b, b: a })

describe('simulated voter', () => {
  const voter = simulatedVoter({ about: 'likes it long', utility: ({ tokens }) => tokens / 10, votesPerPair: 3 })

  it('is labelled as what it is', () => {
    expect(voter).toMatchObject({ name: 'simulated voter', kind: 'simulated' })
    expect(voter.about).toMatch(/^a simulated voter, not people: /)
  })

  it('laws: votes depend on the seed and the pair, not on batch, order or side', async () => {
    const texts = fc.uniqueArray(fc.string({ maxLength: 12 }), { minLength: 4, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(texts, fc.nat(), async ([a, b, c, d], seed) => {
        const [one, two] = [pair(a!, b!), pair(c!, d!)]
        const [first, second] = await voter.votes([one, two], seed)
        expect(await voter.votes([two], seed)).toEqual([second])
        expect(await voter.votes([swap(one)], seed)).toEqual([[first![1], first![0]]])
      }),
    )
  })

  it('votes by Bradley–Terry', async () => {
    const votes = await voter.votes(many(2000).slice(1000), 7)
    const forA = votes.reduce((sum, [a]) => sum + a, 0) / 3000
    expect(forA).toBeCloseTo(sigmoid(-0.7), 1)
    expect(await voter.votes(many(50), 1)).not.toEqual(await voter.votes(many(50), 2))
  })

  it('shuffled, its votes are the toss of a coin and its utility is gone', async () => {
    const control = shuffled(simulatedVoter({ about: 'likes it long', utility: ({ tokens }) => 100 * tokens }))
    const votes = await control.votes(many(1000), 3)
    const forA = votes.reduce((sum, [a]) => sum + a, 0)
    expect(Math.abs(forA - 500)).toBeLessThan(3 * Math.sqrt(250))
    expect(await control.votes(many(1000).map(swap), 3)).toEqual(votes.map(([a, b]) => [b, a]))
    expect(control.name).toBe('simulated voter, shuffled')
    expect(control.utility).toBeUndefined()
  })
})

describe('goals as the judge', () => {
  it('splits one vote by the weighted goals, in standard deviations', async () => {
    const samples = ['a', 'bb', 'ccc'].map((text) => sample(text))
    const judge = goalsJudge(goalScale([goals.length], samples), [2])
    expect(await judge.votes([{ a: samples[2]!, b: samples[0]! }], 0)).toEqual([[sigmoid(4), 1 - sigmoid(4)]])
    expect(judge.about).toContain('2.00 length')
  })
})

describe('a file of votes', () => {
  const line = (a: string, b: string, votes: unknown) => JSON.stringify({ prompt: 'Once', a, b, votes })
  const file = (name: string, ...lines: string[]) => {
    const path = join(folder, name)
    writeFileSync(path, name.endsWith('.gz') ? gzipSync(lines.join('\n')) : lines.join('\n'))
    return path
  }

  it.each(['votes.jsonl', 'votes.jsonl.gz'])('%s: lines on one pair add up, sides may be swapped', async (name) => {
    const path = file(name, line('x', 'y', [2, 1]), '', line('y', 'x', [0, 4]), line('same', 'same', [1, 1]))
    expect(await votesFile(path).votes([pair('x', 'y'), pair('y', 'x'), pair('same', 'same')], 0)).toEqual([
      [6, 1],
      [1, 6],
      [1, 1],
    ])
  })

  it.each([
    ['a missing pair', [line('x', 'y', [1, 0])], /must hold votes for every pair, got none for 1 of 2, the first on the prompt "Once"/],
    ['negative votes', [line('x', 'y', [1, -1])], /bad.jsonl:1: votes must be two numbers ≥ 0.*got \[1,-1\]/],
    ['no votes', ['', line('x', 'y', undefined)], /bad.jsonl:2: votes must be/],
    ['a line that is no JSON', ['{"prompt": "Once", "a'], /bad.jsonl:1: must be a JSON object/],
    ['a side that is no text', ['{"prompt": "Once", "a": 1, "b": "y", "votes": [1, 0]}'], /bad.jsonl:1: a must be a text, got 1/],
  ])('refuses %s', async (_, lines, message) => {
    const votes = votesFile(file('bad.jsonl', ...lines)).votes([pair('x', 'y'), pair('p', 'q')], 0)
    await expect(votes).rejects.toThrow(UserError)
    await expect(votes).rejects.toThrow(message)
  })

  it('is read before anything is asked of it, whatever a text holds', async () => {
    const path = file('marked.jsonl', `\ufeff${line('one\u2028two', 'y', [1, 0])}\r`)
    await votesFile(path).prepare!()
    expect(await votesFile(path).votes([pair('one\u2028two', 'y')], 0)).toEqual([[1, 0]])
    await expect(votesFile(file('bad.jsonl', '[]', '{}')).prepare!()).rejects.toThrow(/bad.jsonl:1: must be a JSON object/)
  })

  it('refuses a file that is not there', async () => {
    await expect(votesFile(join(folder, 'none.jsonl')).votes([], 0)).rejects.toThrow(
      /none.jsonl: must exist, got no such file; check the path/,
    )
  })
})

describe('a command as the judge', () => {
  const script = (name: string, body: string) => {
    const path = join(folder, name)
    writeFileSync(path, body)
    return `"${process.execPath}" "${path}"`
  }
  const reader = (body: string) => `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => { ${body} })`
  const longer = 'const { a, b } = JSON.parse(line); console.log(JSON.stringify({ votes: a.length > b.length ? [1, 0] : [0, 1] }));'
  let keeps = 0
  const keep = () => join(folder, `keep-${keeps++}.jsonl`)

  it('makes the folder of its votes before anything is asked of it, or says that it cannot', async () => {
    const keep = join(folder, 'not', 'there', 'yet.jsonl')
    await commandJudge('true', { keep }).prepare!()
    expect(readFileSync(keep, 'utf8')).toBe('')
    const through = join(keep, 'votes.jsonl')
    await expect(commandJudge('true', { keep: through }).prepare!()).rejects.toThrow(
      /votes\.jsonl: must be writable, got (ENOTDIR|EEXIST); choose a path whose parents are folders/,
    )
    writeFileSync(keep, 'no votes\n')
    await expect(commandJudge('true', { keep }).prepare!()).rejects.toThrow(/yet\.jsonl:1: must be a JSON object/)
  })

  it('reads pairs and writes votes, many of them, with the seed in its environment', async () => {
    const command = script('seeded.cjs', reader('console.log(JSON.stringify({ votes: [Number(process.env.INNATE_SEED), line.length] }))'))
    const votes = await commandJudge(command, { keep: keep() }).votes(many(5000), 11)
    expect(votes).toHaveLength(5000)
    expect(votes[4999]![0]).toBe(11)
    expect(votes[4999]![1]).toBe('{"prompt":"Once","a":"a4999","b":"b4999 longer"}'.length)
  })

  it('failing half-way, it names the line and the exit code, keeps what was read, and goes on from there', async () => {
    const path = keep()
    const failing = script('failing.cjs', `let n = 0; ${reader(`${longer} if (++n === 3) process.exit(7)`)}`)
    const votes = commandJudge(failing, { keep: path }).votes(many(5), 0)
    await expect(votes).rejects.toThrow(UserError)
    await expect(votes).rejects.toThrow(
      /must answer 5 pairs and exit with 0, got exit code 7 after line 3; .* The votes on 3 of 5 pairs are kept in/,
    )
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(3)

    const asked = join(folder, 'asked.txt')
    const working = script('working.cjs', reader(`require('node:fs').appendFileSync(${JSON.stringify(asked)}, line + '\\n'); ${longer}`))
    expect(await commandJudge(working, { keep: path }).votes(many(5), 0)).toEqual(many(5).map(() => [0, 1]))
    expect(readFileSync(asked, 'utf8').trim().split('\n')).toHaveLength(2)
    expect(await votesFile(path).votes(many(5), 0)).toHaveLength(5)
  })

  it('gives a command the turns of a talk beside its text', async () => {
    const messages = [
      { role: 'system' as const, content: 'Be kind.' },
      { role: 'user' as const, content: 'Hi' },
    ]
    const talk = (text: string): Sample => ({ ...sample(text, 'system: Be kind.\n\nuser: Hi'), messages })
    const asked = join(folder, 'talk.jsonl')
    const command = `tee ${asked} | sed 's/.*/{"votes": [1, 0]}/'`
    await commandJudge(command, { keep: keep() }).votes([{ a: talk('x'), b: talk('y') }], 0)
    expect(JSON.parse(readFileSync(asked, 'utf8'))).toEqual({ prompt: 'system: Be kind.\n\nuser: Hi', messages, a: 'x', b: 'y' })
  })

  it('asks once about a pair that comes twice, and again when its sides are swapped', async () => {
    const path = keep()
    const twice = [pair('x', 'yy'), pair('yy', 'x'), pair('x', 'yy')]
    expect(await commandJudge(script('twice.cjs', reader(longer)), { keep: path }).votes(twice, 0)).toEqual([
      [0, 1],
      [1, 0],
      [0, 1],
    ])
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2)
  })

  it.each([
    [
      'answers too little',
      reader('if (line.includes("a0")) console.log(JSON.stringify({ votes: [1, 0] }))'),
      /must answer 3 pairs and exit with 0, got exit code 0 after line 1/,
    ],
    [
      'answers too much',
      `${reader(`${longer} ${longer.replace('const { a, b } = JSON.parse(line);', '')}`)}`,
      /must answer 3 pairs, got more/,
    ],
    ['answers something else', reader(`console.log('hello')`), /line 1: must be a JSON object on one line, got "hello"/],
    ['answers no votes', reader(`console.log('{"votes":[0,0]}')`), /line 1: votes must be two numbers ≥ 0, not both 0, got \[0,0\]/],
    ['never reads', 'process.exit(3)', /got exit code 3 after line 0/],
  ])('that %s is refused', async (name, body, message) => {
    const votes = commandJudge(script(`${name}.cjs`, body), { keep: keep() }).votes(many(3), 0)
    await expect(votes).rejects.toThrow(UserError)
    await expect(votes).rejects.toThrow(message)
  })

  it('that does not exist is refused with the shell’s exit code', async () => {
    const path = keep()
    await expect(commandJudge('no-such-command-here', { keep: path }).votes(many(1), 0)).rejects.toThrow(/exit code \d+ after line 0/)
    expect(existsSync(path)).toBe(false)
  })
})
