import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Judge, type JudgedPair, type Sample, simulatedVoter, type Votes } from '../goals/index.ts'
import { askJudge } from './ask-judge.ts'

const sample = (text: string): Sample => ({ prompt: 'Once', text, tokens: text.length, ended: true })
const pairs = (n: number): JudgedPair[] => Array.from({ length: n }, (_, i) => ({ a: sample(`a${i}`), b: sample(`b${i}`) }))

/** A judge that writes down what it is shown, and answers by a rule. */
function listening(rule: (pair: JudgedPair) => Votes): { judge: Judge; shown: JudgedPair[] } {
  const shown: JudgedPair[] = []
  const votes = async (all: readonly JudgedPair[]) => {
    shown.push(...all)
    return all.map(rule)
  }
  return { judge: { name: 'listening', kind: 'command', about: '', votes }, shown }
}

const first = () => [1, 0] as const
const a = ({ a }: JudgedPair): Votes => (a.text.startsWith('a') ? [1, 0] : [0, 1])

it('each side stands first in half of the pairs, of an odd number in one more', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0 }), async (n, seed) => {
      const { judge, shown } = listening(first)
      const answers = await askJudge(judge, pairs(n), { seed, order: 'half' })
      const asGiven = shown.filter(({ a }) => a.text.startsWith('a')).length
      expect([Math.floor(n / 2), Math.ceil(n / 2)]).toContain(asGiven)
      // Votes are told for a and b whichever stood first.
      answers.forEach(({ votes, askings }) => {
        expect(askings).toHaveLength(1)
        expect(votes).toEqual(askings[0]!.first === 'a' ? [1, 0] : [0, 1])
      })
    }),
  )
})

it('the seed draws which half', async () => {
  const places = async (seed: number) =>
    (await askJudge(listening(first).judge, pairs(20), { seed, order: 'half' })).map(({ votes }) => votes[0])
  expect(await places(1)).toEqual(await places(1))
  expect(await places(1)).not.toEqual(await places(2))
})

it('a judge that looks at what is written says the same in every order', async () => {
  for (const order of ['half', 'both'] as const)
    for (const { votes } of await askJudge(listening(a).judge, pairs(9), { seed: 3, order })) expect(votes).toEqual([1, 0])
})

it('asked in both orders, a liking for a place comes to a tie, and both askings are kept apart', async () => {
  const { judge, shown } = listening(first)
  const answers = await askJudge(judge, pairs(5), { seed: 0, order: 'both' })
  expect(shown).toHaveLength(10)
  for (const { votes, askings } of answers) {
    expect(votes).toEqual([0.5, 0.5])
    expect([...askings].sort((x, y) => (x.first < y.first ? -1 : 1))).toEqual([
      { first: 'a', votes: [1, 0] },
      { first: 'b', votes: [0, 1] },
    ])
  }
})

it('texts that are the same are a tie without asking', async () => {
  const { judge, shown } = listening(first)
  const same = { a: sample('x'), b: sample('x') }
  const answers = await askJudge(judge, [same, ...pairs(2), same], { seed: 0, order: 'half' })
  expect(shown).toHaveLength(2)
  expect([answers[0], answers[3]]).toEqual([
    { votes: [1, 1], askings: [] },
    { votes: [1, 1], askings: [] },
  ])
  expect(await askJudge({ ...judge, votes: () => Promise.reject(new Error()) }, [same], { seed: 0, order: 'both' })).toEqual([answers[0]])
})

it('a simulated voter, which looks at texts alone, votes as it would be asked in one order', async () => {
  const voter = simulatedVoter({ about: 'length', utility: ({ tokens }) => tokens, votesPerPair: 7 })
  const all = pairs(12)
  expect((await askJudge(voter, all, { seed: 4, order: 'half' })).map(({ votes }) => votes)).toEqual(await voter.votes(all, 4))
})
