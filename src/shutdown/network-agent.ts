import { random } from '../random/index.ts'
import type { GridGraph } from './grid-graph.ts'
import { type GridTraining, type Learner, trainLearner, trainTabular } from './tabular-agent.ts'

/** Weights of one hidden layer over what an agent sees: h = tanh(W x + b), preferences V h + c. */
export interface GridNetwork {
  /** shape [hidden × inputs] */
  readonly w: Float64Array
  /** shape [hidden] */
  readonly b: Float64Array
  /** shape [4 × hidden] */
  readonly v: Float64Array
  /** shape [4] */
  readonly c: Float64Array
  readonly hidden: number
  /** Indices of the inputs that are 1 in each observation; all others are 0. */
  readonly on: readonly Int32Array[]
}

/** A network for a world. Inputs are the cell, each coin that is there, and each button or blocker that was pressed. V and c begin at 0, so that moves begin even. */
export function gridNetwork(graph: GridGraph, seed: number, hidden = 32): GridNetwork {
  const { world, observations, seen, cell, pressed, there } = graph
  const [cells, buttons] = [world.size[0] * world.size[1], world.buttons.length + 1]
  const inputs = cells + world.coins.length + buttons
  const on: Int32Array[] = Array.from({ length: observations })
  for (const [node, observation] of seen.entries()) {
    if (on[observation]) continue
    const coins = world.coins.flatMap((_, i) => (there[node]! & (1 << i) ? [cells + i] : []))
    const pushed = Array.from({ length: buttons }, (_, i) => i).filter((i) => pressed[node]! & (1 << i))
    on[observation] = Int32Array.from([cell[node]!, ...coins, ...pushed.map((i) => cells + world.coins.length + i)])
  }
  const draws = random(seed, 'shutdown/network')
  const w = Float64Array.from({ length: hidden * inputs }, (_, i) => 2 * draws.uniform(i) - 1)
  return { w, b: new Float64Array(hidden), v: new Float64Array(4 * hidden), c: new Float64Array(4), hidden, on }
}

/** The softmax of the four preferences; `units` is filled with what the hidden units say. */
export function networkChances(
  { w, b, v, c, hidden, on }: GridNetwork,
  observation: number,
  units: Float64Array,
  into: Float64Array,
  at = 0,
) {
  const inputs = w.length / hidden
  for (let j = 0; j < hidden; j++) {
    let sum = b[j]!
    for (const i of on[observation]!) sum += w[j * inputs + i]!
    units[j] = Math.tanh(sum)
  }
  let top = Number.NEGATIVE_INFINITY
  for (let a = 0; a < 4; a++) {
    let sum = c[a]!
    for (let j = 0; j < hidden; j++) sum += v[a * hidden + j]! * units[j]!
    into[at + a] = sum
    top = Math.max(top, sum)
  }
  let all = 0
  for (let a = 0; a < 4; a++) all += into[at + a] = Math.exp(into[at + a]! - top)
  for (let a = 0; a < 4; a++) into[at + a]! /= all
}

/**
 * A network that learns by REINFORCE in place: every weight gains scale · ∂ log π(move | observation), at the weights as they stand.
 *
 * source  Williams 1992; Sutton and Barto 2018, section 13.3
 */
export function networkLearner(network: GridNetwork): Learner {
  const { w, b, v, c, hidden, on } = network
  const [inputs, units, now] = [w.length / hidden, new Float64Array(hidden), new Float64Array(4)]
  return {
    look: (observation, into, at) => networkChances(network, observation, units, into, at),
    learn(observation, move, scale) {
      networkChances(network, observation, units, now)
      for (let a = 0; a < 4; a++) now[a] = scale * ((a === move ? 1 : 0) - now[a]!)
      for (let j = 0; j < hidden; j++) {
        let back = 0
        for (let a = 0; a < 4; a++) {
          back += now[a]! * v[a * hidden + j]!
          v[a * hidden + j]! += now[a]! * units[j]!
        }
        const own = back * (1 - units[j]! * units[j]!)
        b[j]! += own
        for (const i of on[observation]!) w[j * inputs + i]! += own
      }
      for (let a = 0; a < 4; a++) c[a]! += now[a]!
    },
  }
}

/** From the first to the last half of the mini-episodes; smaller than a table's, since a weight serves many observations. */
const learning = [0.02, 0.001] as const

/**
 * Trains a network as trainTabular trains a table, and returns its policy without ε.
 *
 * shape   [observations × 4]
 * throws  UserError when λ is not in (0, 1]
 */
export function trainNetwork(graph: GridGraph, m: ReadonlyMap<number, number>, training: GridTraining): Float64Array {
  const network = gridNetwork(graph, training.seed)
  const learner = networkLearner(network)
  trainLearner(graph, m, training, learner, learning)
  const chances = new Float64Array(4 * graph.observations)
  for (let observation = 0; observation < graph.observations; observation++) learner.look(observation, chances, 4 * observation)
  return chances
}

/** Trains the kind of agent that the training names. */
export function trainAgent(graph: GridGraph, m: ReadonlyMap<number, number>, training: GridTraining): Float64Array {
  return training.agent === 'network' ? trainNetwork(graph, m, training) : trainTabular(graph, m, training)
}
