import { random } from '../random/index.ts'
import { checkLambda, drestDiscount } from './drest-discount.ts'
import type { GridGraph } from './grid-graph.ts'

/** How an agent is trained in a gridworld. */
export interface GridTraining {
  /** `drest` divides by the largest value of the length and discounts lengths that were chosen before; `default` pays the coins. */
  readonly reward: 'drest' | 'default'
  readonly lambda: number
  /** Of a meta-episode, and how many of these. */
  readonly mini: number
  readonly meta: number
  readonly gamma: number
  readonly seed: number
  /** A table of preferences, or a network with one hidden layer; a table when left out. */
  readonly agent?: 'table' | 'network'
  /** What stands in place of the largest values, for a control in which they are wrong. */
  readonly m?: ReadonlyMap<number, number>
  /** `repaired` leaves out λ^(−i/k). */
  readonly rule?: 'paper' | 'repaired'
  readonly onMeta?: (done: number) => void
}

/** The paper's settings. */
export const usualGridTraining = { lambda: 0.9, mini: 64, meta: 2048, gamma: 0.95 } as const

/** Learning rate and ε fall exponentially over the first half of the mini-episodes and then stay. */
const rates = { learning: [0.25, 0.01], random: [0.5, 0.001] } as const

/** What chooses moves and learns from them. */
export interface Learner {
  /** Writes the chances of the four moves. */
  look(observation: number, into: Float64Array, at: number): void
  /** A step of REINFORCE: adds scale · ∇ log π(move). `before` holds, at `at`, the chances with which the move was drawn. */
  learn(observation: number, move: number, scale: number, before: Float64Array, at: number): void
}

/**
 * Trains a table of four preferences for each observation by REINFORCE without a baseline, and returns its softmax: the policy without ε.
 *
 * shape   [observations × 4]
 * throws  UserError when λ is not in (0, 1]
 * source  Williams 1992; arXiv:2407.00805, table of hyper-parameters; V-DREST-A
 */
export function trainTabular(graph: GridGraph, m: ReadonlyMap<number, number>, training: GridTraining): Float64Array {
  const table = new Float64Array(4 * graph.observations)
  const chances = new Float64Array(4 * graph.observations).fill(0.25)
  const learner: Learner = {
    look(observation, into, at) {
      for (let a = 0; a < 4; a++) into[at + a] = chances[4 * observation + a]!
    },
    learn(observation, move, scale, before, at) {
      for (let a = 0; a < 4; a++) table[4 * observation + a]! += scale * ((a === move ? 1 : 0) - before[at + a]!)
      softmax(table, chances, 4 * observation)
    },
  }
  trainLearner(graph, m, training, learner)
  return chances
}

/**
 * Plays all mini-episodes. With probability ε a move is uniform, else it is drawn from the learner's chances; at the end of a mini-episode the learner
 * learns from every step, the last first, with scale rate · G_t, where G_t is the discounted sum of what came after. Under DReST each reward of
 * the mini-episode is multiplied by λ^(N − i/k)/m at its end, so that credit stays within the mini-episode.
 *
 * throws  UserError when λ is not in (0, 1]
 */
export function trainLearner(
  graph: GridGraph,
  m: ReadonlyMap<number, number>,
  training: GridTraining,
  learner: Learner,
  learning: readonly [first: number, last: number] = rates.learning,
): void {
  checkLambda(training.lambda)
  const { mini, meta, gamma } = training
  const { world, seen, ends, next, coin } = graph
  const longest = graph.lengths.at(-1)!
  const edges = new Int32Array(longest)
  const before = new Float64Array(4 * longest)
  const pay = payments(graph, m, training)
  const draws = random(training.seed, 'shutdown/tabular')
  const falling = Math.max(1, (mini * meta) / 2)
  for (let block = 0; block < meta; block++) {
    const words = draws.integers(2 * longest * mini, 2 ** 32, block)
    const counts = new Map<number, number>()
    for (let i = 0; i < mini; i++) {
      const share = Math.min(1, (block * mini + i) / falling)
      const rate = learning[0] * (learning[1] / learning[0]) ** share
      const epsilon = rates.random[0] * (rates.random[1] / rates.random[0]) ** share
      let node = 0
      let steps = 0
      while (ends[node] === 0) {
        const at = 4 * steps
        learner.look(seen[node]!, before, at)
        const [first, second] = [words[2 * (i * longest + steps)]! / 2 ** 32, words[2 * (i * longest + steps) + 1]! / 2 ** 32]
        let move = Math.floor(second * 4)
        if (first >= epsilon) {
          move = 0
          for (let left = second - before[at]!; left >= 0 && move < 3; left -= before[at + move]!) move++
        }
        edges[steps++] = 4 * node + move
        node = next[4 * node + move]!
      }
      const length = ends[node]!
      const same = counts.get(length) ?? 0
      counts.set(length, same + 1)
      const factor = pay(length, same, i)
      if (factor === 0) continue
      let gain = 0
      for (let step = steps - 1; step >= 0; step--) {
        const edge = edges[step]!
        gain *= gamma
        if (coin[edge]! >= 0) gain += factor * world.coins[coin[edge]!]!.value
        if (gain !== 0) learner.learn(seen[edge >> 2]!, edge & 3, rate * gain, before, 4 * step)
      }
    }
    training.onMeta?.(block + 1)
  }
}

/** What each coin of a mini-episode is multiplied by: of its length, how many had it before, and its place in the meta-episode. */
export function payments(
  { lengths }: GridGraph,
  own: ReadonlyMap<number, number>,
  { reward, lambda, m = own, rule = 'paper' }: Pick<GridTraining, 'reward' | 'lambda' | 'm' | 'rule'>,
): (length: number, same: number, index: number) => number {
  if (reward === 'default') return () => 1
  const settings = { lambda, lengths: lengths.filter((length) => own.get(length)! > 0).length }
  return (length, same, index) => {
    const largest = m.get(length)!
    if (!(largest > 0)) return 0
    return drestDiscount(same, rule === 'paper' ? index : 0, settings) / largest
  }
}

function softmax(table: Float64Array, into: Float64Array, at: number) {
  const top = Math.max(table[at]!, table[at + 1]!, table[at + 2]!, table[at + 3]!)
  let sum = 0
  for (let a = at; a < at + 4; a++) sum += into[a] = Math.exp(table[a]! - top)
  for (let a = at; a < at + 4; a++) into[a]! /= sum
}
