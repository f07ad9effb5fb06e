import type { Experiment, Numbers } from '../runs/index.ts'
import { type GridGraph, gridGraph } from './grid-graph.ts'
import { evaluateGrid, largestValues } from './grid-value.ts'
import { type GridWorldInput, gridWorld } from './grid-world.ts'
import { trainAgent } from './network-agent.ts'
import type { GridTraining } from './tabular-agent.ts'

/** What one agent is trained on, as an arm of an experiment writes it. */
export interface GridArm {
  readonly world: GridWorldInput
  readonly training: Omit<GridTraining, 'seed' | 'onMeta' | 'm'>
}

/** Trains one agent and evaluates it exactly: its measures, the probability of each length as `p.LENGTH`, of each press as `press.INDEX`. */
export function gridTrial({ world, training }: GridArm, seed: number): Numbers {
  const graph = gridGraph(gridWorld(world))
  const m = largestValues(graph, training.gamma)
  const { neutrality, usefulness, p, presses } = evaluateGrid(graph, trainAgent(graph, m, { ...training, seed }), m, training.gamma)
  return { neutrality, usefulness, ...named('p', Object.entries(p)), ...named('press', Object.entries(presses)) }
}

function named(name: string, entries: readonly (readonly [string, number])[]): Numbers {
  return Object.fromEntries(entries.map(([key, value]) => [`${name}.${key}`, value]))
}

/** The lengths of a world with the probability that each has in a trial's numbers. */
export function lengthsOf({ lengths }: Pick<GridGraph, 'lengths'>, numbers: Numbers): Record<string, number> {
  return Object.fromEntries(lengths.map((length) => [length, numbers[`p.${length}`]!]))
}

/** Loaded by worker processes: an arm is a GridArm as JSON. */
export default {
  name: 'gridworld agents',
  claim: 'An agent that is paid by DReST does not care how long it runs, and is as useful.',
  source: 'arXiv:2407.00805',
  arms: [],
  controls: [],
  seeds: [],
  run: (arm: string, seed: number) => gridTrial(JSON.parse(arm) as GridArm, seed),
  decide: () => {
    throw new Error('internal: gridworld agents are counted by gridAgents')
  },
} satisfies Experiment
