import type { Judge, Sample } from '../goals/index.ts'

/** A reward as whoever compares two completions: its vote is for the one with more of it, and split where both have as much. */
export function rewardJudge(name: string, scoreOf: (sample: Sample) => number): Judge {
  return {
    name,
    kind: 'reward',
    about: `the reward ${name}`,
    votes: async (pairs) =>
      pairs.map(({ a, b }) => {
        const [first, second] = [scoreOf(a), scoreOf(b)]
        return first === second ? [1, 1] : first > second ? [1, 0] : [0, 1]
      }),
    utility: scoreOf,
  }
}
