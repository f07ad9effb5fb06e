import { random } from '../../random/index.ts'
import type { Sample } from '../goal.ts'
import { sigmoid } from '../likelihood.ts'
import { type Judge, type JudgedPair, pairKey, type Votes } from './judge.ts'

/**
 * A made-up voter for demonstrations and controls: it has a hidden utility and votes by Bradley–Terry, P(a beats b) = σ(u(a) − u(b)).
 *
 * Each vote is drawn from the seed and the texts of its pair alone. So votes depend neither on batching nor on order, and swapping
 * the sides swaps the votes.
 *
 * units   utility in log-odds
 * limits  the same pair under the same seed gets the same votes
 */
export function simulatedVoter({ about, utility, votesPerPair = 1, words }: SimulatedVoterOptions): Judge {
  return {
    name: 'simulated voter',
    kind: 'simulated',
    about: `a simulated voter, not people: ${about}`,
    votes: async (pairs, seed) => pairs.map((pair) => draw(pair, seed)),
    utility,
    ...(words && { words }),
  }

  function draw({ a, b }: JudgedPair, seed: number): Votes {
    if (a.text > b.text) return flip(draw({ a: b, b: a }, seed))
    const key = pairKey({ a, b })
    const p = sigmoid(utility(a) - utility(b))
    const { uniform } = random(seed, `votes/${key}`)
    const forA = Array.from({ length: votesPerPair }, (_, i) => uniform(i)).filter((u) => u < p).length
    return [forA, votesPerPair - forA]
  }
}

export interface SimulatedVoterOptions {
  readonly about: string
  readonly utility: (sample: Sample) => number
  readonly votesPerPair?: number
  readonly words?: ReadonlySet<string>
}

/**
 * The same judge with its votes shuffled: each pair's votes change sides or not by the toss of a fair coin.
 * The control that must fail: they carry no preference, so nothing can be learned from them.
 */
export function shuffled(judge: Judge): Judge {
  const { utility: _, ...rest } = judge
  return {
    ...rest,
    name: `${judge.name}, shuffled`,
    about: `${judge.about}; its votes changed sides at random`,
    async votes(pairs, seed) {
      const votes = await judge.votes(pairs, seed)
      return votes.map((v, i) => (random(seed, `shuffled/${pairKey(pairs[i]!)}`).uniform() < 0.5 ? v : flip(v)))
    },
  }
}

function flip([a, b]: Votes): Votes {
  return [b, a]
}
