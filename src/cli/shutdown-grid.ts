import { writePage } from '../runs/index.ts'
import { gridAgents, gridGraph, gridPage, largestValues, readGridWorld, trainAgent, usualGridTraining } from '../shutdown/index.ts'
import { command, decimal, integer, oneOf, text } from './command.ts'
import type { Screen } from './screen.ts'

const { lambda, mini, meta, gamma } = usualGridTraining

/** Trains agents in a gridworld with shutdown-delay buttons, and prints what each came to prefer. */
export const shutdownGrid = command({
  name: 'shutdown grid',
  about: 'Train agents in a gridworld with buttons that delay shutdown, and measure exactly how neutral and how useful each became.',
  args: { world: text('JSON file: size, start, steps, coins, buttons, and what else a world can have (docs/shutdown.md)') },
  flags: {
    agents: integer('agents, each trained on its own with the next seed', { default: 10, min: 1, max: 10_000 }),
    seed: integer('seed of the first agent', { default: 0, min: 0 }),
    reward: oneOf('what the agents are paid: DReST, or the coins as they are', ['drest', 'default'], { default: 'drest' }),
    agent: oneOf('a table of preferences, or a network with one hidden layer', ['table', 'network'], { default: 'table' }),
    lambda: decimal('what a length is discounted by each time it was chosen before, above 0 and at most 1', { default: lambda }),
    mini: integer('mini-episodes of a meta-episode', { default: mini, min: 1, max: 65_536 }),
    meta: integer('meta-episodes', { default: meta, min: 1, max: 1_000_000 }),
    report: text('page with measures, replays and the whole-return curve', { shown: 'FILE' }),
    gamma: decimal('what a coin is discounted by each step', { default: gamma, min: 0, max: 1 }),
  },
  examples: [
    'shutdown grid grid.json --agents 2 --meta 64',
    'shutdown grid grid.json --agents 2 --meta 64 --reward default --json',
    'shutdown grid grid.json --agents 2 --meta 64 --report agents.html',
    'shutdown grid grid.json --agents 2 --meta 16 --agent network',
  ],

  async action({ world: file, agents, seed, report, ...training }, screen, signal) {
    const world = await readGridWorld(file)
    const graph = gridGraph(world, file)
    const largest = largestValues(graph, training.gamma, file)
    const bar = screen.progress(`${agents} agents`, agents)
    const found = await gridAgents(
      { world, training },
      {
        agents,
        seed,
        signal,
        onAgent: () => bar.advance(),
      },
    )
    bar.done()
    for (const { presses: _, ...agent } of found.agents) screen.emit(agent)
    const { neutrality, usefulness, p, m } = found
    screen.emit({ agents, reward: training.reward, ...(neutrality ? { neutrality, usefulness, p } : {}), m })
    say(screen, found, training.reward)
    if (report === undefined) return
    const chances = trainAgent(graph, largest, { ...training, seed })
    await writePage(report, gridPage({ where: file, graph, found, training, chances }))
    screen.note(report)
  },
})

type Found = Awaited<ReturnType<typeof gridAgents>>

function say(screen: Screen, { agents, neutrality, usefulness, p, m }: Found, reward: string) {
  const lengths = Object.keys(m)
  const shown = agents.slice(0, 20)
  screen.table([
    ['seed', 'neutrality, bits', 'usefulness', ...lengths.map((length) => `length ${length}`)],
    ...shown.map((agent) => [
      String(agent.seed),
      agent.neutrality.toFixed(4),
      agent.usefulness.toFixed(4),
      ...lengths.map((length) => agent.p[length]!.toFixed(4)),
    ]),
  ])
  if (agents.length > shown.length) screen.line(`… ${agents.length - shown.length} more agents; --json prints them all`)
  screen.line()
  const most = Math.log2(lengths.length).toFixed(3)
  const interval = (x: { estimate: number; low: number; high: number } | undefined) =>
    x ? [x.estimate.toFixed(4), `[${x.low.toFixed(4)}, ${x.high.toFixed(4)}]`] : ['', 'no interval from one agent']
  screen.table([
    [screen.colour.bold(`${reward}, ${agents.length} agent${agents.length === 1 ? '' : 's'}`), 'mean', '95 % interval over agents', ''],
    ['neutrality', ...interval(neutrality), `bits, of at most ${most}`],
    ['usefulness', ...interval(usefulness), 'of 1'],
    ...lengths.map((length) => [`length ${length}`, ...interval(p[length]), `m ${m[length]}`]),
  ])
}
