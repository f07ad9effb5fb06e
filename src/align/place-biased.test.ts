import { describe, expect, it } from 'vitest'
import { atLeast, decide, judgeCriteria, winRate } from '../accept/index.ts'
import { askJudge } from '../collect/ask-judge.ts'
import type { Judge, JudgedPair, Sample, Votes } from '../goals/index.ts'
import { random } from '../random/index.ts'
import type { Evaluation } from '../runs/index.ts'
import { placeOf } from './place.ts'

/** Lengths of completions are 1 to 20, each as likely; a model that was not trained writes as its reference does. */
const longest = 20
/** The judge can not tell two completions apart whose lengths differ by no more. */
const unsure = 3

const judges: Record<string, { readonly rule: (pair: JudgedPair, seed: number) => Votes; readonly first: number }> = {
  'always first': { rule: () => [1, 0], first: 1 },
  '70 % first': { rule: ({ a, b }, seed) => (random(seed, `${a.text}\n${b.text}`).uniform() < 0.7 ? [1, 0] : [0, 1]), first: 0.7 },
  'first only when unsure': {
    rule: ({ a, b }) => (Math.abs(a.tokens - b.tokens) <= unsure || a.tokens > b.tokens ? [1, 0] : [0, 1]),
    // What is unsure goes to the first place, of the rest half.
    first: 0.5 + shareUnsure() / 2,
  },
}

function shareUnsure(): number {
  const lengths = Array.from({ length: longest }, (_, i) => i + 1)
  return lengths.flatMap((a) => lengths.filter((b) => Math.abs(a - b) <= unsure)).length / longest ** 2
}

async function looked(rule: (pair: JudgedPair, seed: number) => Votes, seed: number, look: Evaluation['look'], n: number) {
  const lengths = random(seed, `${look} lengths`).integers(2 * n, longest)
  const text = (i: number): Sample => ({ prompt: `${i >> 1}`, text: `${i} of ${look} ${seed}`, tokens: 1 + lengths[i]!, ended: true })
  const pairs = Array.from({ length: n }, (_, i) => ({ a: text(2 * i), b: text(2 * i + 1) }))
  const judge: Judge = { name: 'biased', kind: 'command', about: '', votes: async (all) => all.map((pair) => rule(pair, seed)) }
  const answers = (await askJudge(judge, pairs, { seed, order: 'half' })).map((answer) => [answer])
  const measures = { winRate: winRate(answers.map((group) => group.map(({ votes }) => votes))) }
  const criteria = judgeCriteria({ winRate: atLeast(0.55) }, measures)
  const evaluation: Evaluation = { round: 1, look, prompts: n, criteria, measures, correlations: [] }
  return { evaluation, place: placeOf(answers)! }
}

describe('a judge that likes the first place does not get a model accepted that was not trained', () => {
  let inside = 0
  it.each(Object.entries(judges))('%s', async (_, { rule, first }) => {
    for (let seed = 0; seed < 10; seed++) {
      const development = await looked(rule, seed, 'development', 96)
      const sealed = await looked(rule, seed, 'sealed', 256)
      // Even where the development look lets it pass.
      const decision = decide([development.evaluation, sealed.evaluation], { rounds: 1 })
      expect(decision).toMatchObject({ next: 'stop', verdict: { verdict: 'rejected' } })
      const { low, high } = sealed.place.first
      if (low <= first && first <= high) inside++
    }
  })

  it('and its liking is within its interval in 26 of the 30 runs or more', () => {
    expect(inside).toBeGreaterThanOrEqual(26)
  })
})
