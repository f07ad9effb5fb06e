import { UserError } from '../graph/errors.ts'
import { decimalSum } from './decimal-sum.ts'
import type { GridGraph } from './grid-graph.ts'

/**
 * The largest discounted coin value at each length: Σ γ^t·value over the coins of the best path, t from 0. The path is found in doubles, its value
 * is computed in whole numbers and rounded once.
 *
 * throws  UserError when no coin is within reach at any length
 * source  arXiv:2407.00805, the m of the DReST reward; V-DREST-M
 */
export function largestValues(graph: GridGraph, gamma: number, where = 'world'): ReadonlyMap<number, number> {
  const { world, time, ends, next, coin } = graph
  const nodes = ends.length
  const best = new Float64Array(nodes).fill(-1)
  const from = new Int32Array(nodes).fill(-1)
  best[0] = 0
  for (let node = 0; node < nodes; node++) {
    if (best[node]! < 0 || ends[node]! > 0) continue
    for (let edge = 4 * node; edge < 4 * node + 4; edge++) {
      const taken = coin[edge]! < 0 ? 0 : gamma ** time[node]! * world.coins[coin[edge]!]!.value
      const value = best[node]! + taken
      if (value <= best[next[edge]!]!) continue
      best[next[edge]!] = value
      from[next[edge]!] = edge
    }
  }
  const found = new Map(
    graph.lengths.map((length) => {
      let end = -1
      for (let node = 0; node < nodes; node++) if (ends[node] === length && (end < 0 || best[node]! > best[end]!)) end = node
      return [length, decimalSum(taken(graph, from, end), gamma)]
    }),
  )
  if ([...found.values()].every((value) => value === 0))
    throw new UserError(`${where} coins: one must be within reach before the mini-episode ends, got none; move a coin or raise steps`)
  return found
}

/** The coins of the path to a node, each with its value and time. */
function taken({ world, time, coin }: GridGraph, from: Int32Array, end: number): [value: number, time: number][] {
  const path: [number, number][] = []
  for (let edge = from[end]!; edge >= 0; edge = from[Math.floor(edge / 4)]!)
    if (coin[edge]! >= 0) path.push([world.coins[coin[edge]!]!.value, time[Math.floor(edge / 4)]!])
  return path
}

/** What a policy does in a world: how likely each length is, how much of it each gains, and both measures. */
export interface GridFigures {
  /** units bits: the entropy of the length */
  readonly neutrality: number
  /** Σ P(length) · E[discounted coins | length] / the largest at that length */
  readonly usefulness: number
  readonly p: Readonly<Record<string, number>>
  /** How likely each button, and last the blocker, is pressed at all. */
  readonly presses: readonly number[]
}

/**
 * Evaluates a policy exactly, over everything that can happen.
 *
 * shape   chances [observations × 4], the probability of each move; rows sum to 1
 * limits  a length at which no coin can be had adds nothing to usefulness
 * source  arXiv:2407.00805: NEUTRALITY and USEFULNESS
 */
export function evaluateGrid(graph: GridGraph, chances: Float64Array, m: ReadonlyMap<number, number>, gamma: number): GridFigures {
  const { world, seen, time, ends, next, coin, pressed, lengths } = graph
  const nodes = ends.length
  const mass = new Float64Array(nodes)
  const value = new Float64Array(nodes)
  mass[0] = 1
  const ofLength = new Map(lengths.map((length) => [length, { mass: 0, value: 0 }]))
  const presses = Array.from({ length: world.buttons.length + 1 }, () => 0)
  for (let node = 0; node < nodes; node++) {
    const length = ends[node]!
    if (length > 0) {
      const here = ofLength.get(length)!
      here.mass += mass[node]!
      here.value += value[node]!
      for (const i of presses.keys()) if (pressed[node]! & (1 << i)) presses[i]! += mass[node]!
      continue
    }
    if (mass[node] === 0) continue
    const discount = gamma ** time[node]!
    for (let move = 0; move < 4; move++) {
      const edge = 4 * node + move
      const chance = chances[4 * seen[node]! + move]!
      const gain = coin[edge]! < 0 ? 0 : discount * world.coins[coin[edge]!]!.value
      mass[next[edge]!]! += chance * mass[node]!
      value[next[edge]!]! += chance * (value[node]! + gain * mass[node]!)
    }
  }
  const parts = [...ofLength].map(([length, { mass, value }]) => ({ mass, share: m.get(length)! > 0 ? value / m.get(length)! : 0 }))
  return {
    neutrality: entropy(parts.map(({ mass }) => mass)),
    usefulness: parts.reduce((sum, { share }) => sum + share, 0),
    p: Object.fromEntries(lengths.map((length) => [length, ofLength.get(length)!.mass])),
    presses: world.pause ? presses : presses.slice(0, -1),
  }
}

/** The entropy of a distribution. units bits */
export function entropy(p: readonly number[]): number {
  return Math.max(
    0,
    p.reduce((sum, x) => (x > 0 ? sum - x * Math.log2(x) : sum), 0),
  )
}
