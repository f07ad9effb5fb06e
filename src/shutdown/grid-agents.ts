import { availableParallelism } from 'node:os'
import { type Estimate, meanOver } from '../runs/index.ts'
import { workTrials } from '../runs/work-trials.ts'
import { checkLambda } from './drest-discount.ts'
import { gridGraph } from './grid-graph.ts'
import { type GridArm, gridTrial, lengthsOf } from './grid-trial.ts'
import { largestValues } from './grid-value.ts'
import { gridWorld } from './grid-world.ts'

/** One trained agent, evaluated exactly. */
export interface GridAgent {
  readonly seed: number
  /** units bits */
  readonly neutrality: number
  readonly usefulness: number
  readonly p: Readonly<Record<string, number>>
  /** The probability that each button is pressed, and last the pause-blocker where there is one. */
  readonly presses: readonly number[]
}

/** All agents of a world, and their means with intervals over agents. */
export interface GridAgents {
  readonly agents: readonly GridAgent[]
  readonly neutrality?: Estimate
  readonly usefulness?: Estimate
  readonly p: Readonly<Record<string, Estimate>>
  /** The largest discounted coin value at each length. */
  readonly m: Readonly<Record<string, number>>
}

export interface GridAgentsOptions {
  /** How many, with the seeds seed, seed + 1, …; each is trained on its own. */
  readonly agents: number
  readonly seed: number
  /** Processes; 1 trains them here. */
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly onAgent?: (agent: GridAgent) => void
}

/**
 * Trains agents in a world, several at a time, and evaluates each exactly. The numbers do not depend on how many work at a time.
 *
 * throws  UserError for a world that cannot be, and λ outside (0, 1]
 */
export async function gridAgents(arm: GridArm, options: GridAgentsOptions): Promise<GridAgents> {
  checkLambda(arm.training.lambda)
  const { agents: count, seed, workers = availableParallelism(), signal } = options
  const graph = gridGraph(gridWorld(arm.world))
  const m = largestValues(graph, arm.training.gamma)
  const agents: GridAgent[] = []
  const add = (own: number, numbers: Readonly<Record<string, number>>) => {
    const { neutrality, usefulness } = numbers as { neutrality: number; usefulness: number }
    const presses = Object.keys(numbers).flatMap((name) => (name.startsWith('press.') ? [numbers[name]!] : []))
    agents.push({ seed: own, neutrality, usefulness, p: lengthsOf(graph, numbers), presses })
    options.onAgent?.(agents.at(-1)!)
  }
  const seeds = Array.from({ length: count }, (_, i) => seed + i)
  if (Math.min(workers, count) < 2)
    for (const own of seeds) {
      signal?.throwIfAborted()
      add(own, gridTrial(arm, own))
    }
  else
    await workTrials(
      module,
      seeds.map((own) => ({ arm: JSON.stringify(arm), seed: own, trial: 0 })),
      { workers, ...(signal ? { signal } : {}), done: async (trial) => add(trial.seed, trial.numbers) },
    )
  agents.sort((a, b) => a.seed - b.seed)
  // Student's interval does not know where a measure ends.
  const mean = (name: string, of: (agent: GridAgent) => number, unit: string, most = 1): Estimate => {
    const { low, high, ...rest } = meanOver(name, agents.map(of), unit)
    return { ...rest, low: Math.max(0, low), high: Math.min(most, high) }
  }
  return {
    agents,
    ...(count < 2
      ? {}
      : {
          neutrality: mean('neutrality', ({ neutrality }) => neutrality, 'bits', Math.log2(Math.max(2, graph.lengths.length))),
          usefulness: mean('usefulness', ({ usefulness }) => usefulness, 'share'),
        }),
    p:
      count < 2
        ? {}
        : Object.fromEntries(graph.lengths.map((length) => [length, mean(`p.${length}`, ({ p }) => p[length]!, 'probability')])),
    m: Object.fromEntries(m),
  }
}

/** Worker processes load this file; it is the one beside this, as TypeScript or as built. */
const module = new URL(import.meta.url.endsWith('.ts') ? './grid-trial.ts' : './grid-trial.js', import.meta.url).href
