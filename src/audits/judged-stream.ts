import type { Example } from '../objectives/index.ts'
import { type Policy, sampleCompletions } from '../policy/index.ts'
import { seedFor } from '../random/index.ts'
import type { AdaptiveData } from './stream.ts'

/** What a stream of judged completions is made of. */
export interface JudgedStream {
  readonly policy: Policy
  readonly reference: Policy
  readonly prompts: readonly (readonly number[])[]
  /** How good a completion is. */
  readonly judge: (completion: readonly number[]) => number
  /** Adds the reference's log-probabilities. */
  readonly scored: (examples: readonly Example[]) => Promise<readonly Example[]>
}

const [perPrompt, tokens] = [8, 8]

/** Pairs that a policy draws, with a vote for the side that the judge finds better and half a vote where both are as good. */
export function judgedStream({ policy, reference, prompts, judge, scored }: JudgedStream): AdaptiveData {
  const vote = (a: readonly number[], b: readonly number[]) => (Math.sign(judge(a) - judge(b)) + 1) / 2
  return {
    kind: 'adaptive',
    reference,
    eosIds: [],
    prefer: async (pairs) => pairs.map(({ a, b }) => vote(a, b)),
    async draw(seed) {
      const groups = await sampleCompletions(policy, prompts, { perPrompt, maxTokens: tokens, seed: seedFor(seed, 'drawn'), eosIds: [] })
      const examples = groups.flatMap((group, i) =>
        Array.from({ length: perPrompt / 2 }, (_, k): Example => {
          const [a, b] = [group[2 * k]!.ids, group[2 * k + 1]!.ids]
          return { tree: { prompt: prompts[i]!, completions: [a, b] }, label: vote(a, b), reference: [] }
        }),
      )
      return scored(examples)
    },
  }
}
