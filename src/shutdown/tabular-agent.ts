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

/**
 * Trains a table of four preferences for each observation by REINFORCE without a baseline, and returns its softmax: the policy without ε.
 *
 * With probability ε a move is uniform, else it is drawn from the softmax; at the end of a mini-episode every step adds
 * rate · G_t · (1[a' = a] − π(a')), with G_t the discounted sum of what came after. Under DReST each reward of the mini-episode is multiplied by
 * λ^(N − i/k)/m at its end, so that credit stays within the mini-episode.
 *
 * shape   [observations × 4]
 * throws  UserError when λ is not in (0, 1]
 * source  Williams 1992; arXiv:2407.00805, table of hyper-parameters; V-DREST-A
 */
export function trainTabular(graph: GridGraph, m: ReadonlyMap<number, number>, training: GridTraining): Float64Array {
  checkLambda(training.lambda)
  const { mini, meta, gamma } = training
  const { world, seen, ends, next, coin, observations } = graph
  const table = new Float64Array(4 * observations)
  const chances = new Float64Array(4 * observations).fill(0.25)
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
      const rate = rates.learning[0] * (rates.learning[1] / rates.learning[0]) ** share
      const epsilon = rates.random[0] * (rates.random[1] / rates.random[0]) ** share
      let node = 0
      let steps = 0
      while (ends[node] === 0) {
        const at = 4 * seen[node]!
        const [first, second] = [words[2 * (i * longest + steps)]! / 2 ** 32, words[2 * (i * longest + steps) + 1]! / 2 ** 32]
        let move = Math.floor(second * 4)
        if (first >= epsilon) {
          move = 0
          for (let left = second - chances[at]!; left >= 0 && move < 3; left -= chances[at + move]!) move++
        }
        for (let a = 0; a < 4; a++) before[4 * steps + a] = chances[at + a]!
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
        if (gain === 0) continue
        const at = 4 * seen[edge >> 2]!
        for (let a = 0; a < 4; a++) table[at + a]! += rate * gain * ((a === (edge & 3) ? 1 : 0) - before[4 * step + a]!)
        softmax(table, chances, at)
      }
    }
    training.onMeta?.(block + 1)
  }
  return chances
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
