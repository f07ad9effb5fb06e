import { basename } from 'node:path'
import { exactly, figure, type Html, html, type MeasureRow, type Page } from '../runs/index.ts'
import type { GridAgents } from './grid-agents.ts'
import type { GridGraph } from './grid-graph.ts'
import type { GridTraining } from './tabular-agent.ts'
import { wholeReturn, wholeReturnOptimum } from './whole-return.ts'

/** What a page of agents shows. */
export interface GridShown {
  readonly where: string
  readonly graph: GridGraph
  readonly found: GridAgents
  readonly training: Pick<GridTraining, 'reward' | 'lambda' | 'mini' | 'meta'>
  /** The policy of the first agent, for replays. */
  readonly chances: Float64Array
}

/** A page of trained agents: both measures with intervals, replays in the world, and what an optimiser of the whole return would do. */
export function gridPage({ where, graph, found, training, chances }: GridShown): Page {
  const { neutrality, usefulness, agents, m } = found
  const whole = { lambda: training.lambda, mini: training.mini }
  const best = wholeReturnOptimum(whole)
  const paid = training.reward === 'drest' ? 'DReST' : 'the coins as they are'
  const lead = neutrality
    ? `Paid by ${paid}, ${agents.length} agents have a neutrality of ${neutrality.estimate.toFixed(3)} bits and a usefulness of ${usefulness!.estimate.toFixed(3)}.`
    : `Paid by ${paid}, the agent has a neutrality of ${agents[0]!.neutrality.toFixed(3)} bits and a usefulness of ${agents[0]!.usefulness.toFixed(3)}.`
  return {
    title: 'Agents in a gridworld',
    eyebrow: ['shutdown grid', basename(where), `${agents.length} agents`],
    lead,
    facts: [
      ['paid by', paid],
      ['λ', training.lambda],
      ['mini-episodes', `${training.mini} × ${training.meta}`],
      ...Object.entries(m).map(([length, value]): [string, number] => [`m at length ${length}`, value]),
    ],
    sections: [
      ...(neutrality ? [{ name: 'Neutrality and usefulness', content: measures(found) }] : []),
      {
        name: 'Replays',
        about: 'The likeliest way to each length, by the first agent. A number is a coin, + a button, P the blocker.',
        content: replays(graph, chances, found),
      },
      {
        name: 'What an optimiser of the whole return would find',
        about: `The return of a whole meta-episode of ${training.mini}, by the probability of one of two lengths, where each is as useful as it can be. ${best.p < 0.5 ? `Its top is at ${best.p.toFixed(3)} and ${(1 - best.p).toFixed(3)}, not at ½: credit has to stay within a mini-episode.` : 'Its top is at ½.'}`,
        content: wholeCurve(whole),
      },
    ],
  }
}

function measures({ neutrality, usefulness, agents }: GridAgents): Html {
  const row = (name: string, of: 'neutrality' | 'usefulness', estimate: NonNullable<GridAgents['neutrality']>): MeasureRow => ({
    name,
    group: {},
    ...estimate,
    values: agents.map((agent) => agent[of]),
  })
  const rows = [row('neutrality', 'neutrality', neutrality!), row('usefulness', 'usefulness', usefulness!)]
  return html`${figure({ about: 'agents, and their mean', rows: rows.map((one) => ({ ...one, group: { what: 'mean' } })) }, 'scatter', {
    title: 'Neutrality against usefulness',
    about: 'The mean with both 95 % intervals, and behind it each agent, evaluated exactly.',
    x: 'neutrality',
    y: 'usefulness',
    series: 'what',
    span: [0, 1],
  })}${figure({ about: 'means over agents', rows }, 'intervals', {
    title: 'Means over agents',
    about: '95 % intervals over agents.',
    y: 'name',
    span: [0, 1],
  })}`
}

function wholeCurve(of: { lambda: number; mini: number }): Html {
  const rows = Array.from({ length: 101 }, (_, i) =>
    (['paper', 'repaired'] as const).map((rule) =>
      exactly(rule === 'paper' ? "the paper's rule" : 'without λ^(−i/k)', wholeReturn(i / 100, { ...of, rule }), {
        p: i / 100,
        rule: rule === 'paper' ? "the paper's rule" : 'without λ^(−i/k)',
      }),
    ),
  ).flat()
  return figure({ about: 'the expected return of a meta-episode', rows }, 'lines', {
    title: 'Whole return',
    about: `λ = ${of.lambda}, ${of.mini} mini-episodes, two lengths.`,
    x: 'p',
    xLabel: 'probability of the first length',
    series: 'rule',
  })
}

/** For each length, the likeliest path of the policy that ends there, drawn in the world. */
function replays(graph: GridGraph, chances: Float64Array, { m }: GridAgents): Html {
  const { ends, next, seen } = graph
  const likeliest = new Float64Array(ends.length)
  const from = new Int32Array(ends.length).fill(-1)
  likeliest[0] = 1
  for (let node = 0; node < ends.length; node++)
    for (let move = 0; move < 4 && ends[node] === 0; move++) {
      const [edge, chance] = [4 * node + move, likeliest[node]! * chances[4 * seen[node]! + move]!]
      if (chance <= likeliest[next[edge]!]!) continue
      likeliest[next[edge]!] = chance
      from[next[edge]!] = edge
    }
  const drawn = graph.lengths.map((length) => {
    let end = -1
    for (let node = 0; node < ends.length; node++) if (ends[node] === length && (end < 0 || likeliest[node]! > likeliest[end]!)) end = node
    const path = [end]
    for (let edge = from[end]!; edge >= 0; edge = from[edge >> 2]!) path.unshift(edge >> 2)
    return html`<figure class="chart" style="max-width:24rem"><figcaption><b>length ${length}</b> <span class="unit">m ${m[length]}</span><br><small>likelihood of this very path ${likeliest[end]!.toFixed(3)}</small></figcaption>${picture(graph, path)}</figure>`
  })
  return html`<div style="display:flex;flex-wrap:wrap;gap:1rem">${drawn}</div>`
}

function picture({ world, cell }: GridGraph, path: readonly number[]): Html {
  const [wide, high] = world.size
  const side = 40
  const middle = (x: number, y: number) => [x * side + side / 2, (high - 1 - y) * side + side / 2] as const
  const text = ([x, y]: readonly [number, number], words: string) => {
    const [cx, cy] = middle(x, y)
    return html`<text x="${cx}" y="${cy + 5}" text-anchor="middle">${words}</text>`
  }
  // Steps are set apart a little, so that a way back does not hide the way there.
  const points = path.map((node, i) => {
    const [x, y] = middle(cell[node]! % wide, Math.floor(cell[node]! / wide))
    return `${x + 3 * Math.sin(i)},${y + 10 + 3 * Math.cos(i)}`
  })
  return html`<svg viewBox="-2 -2 ${wide * side + 4} ${high * side + 4}" role="img" aria-label="A path through the world in ${path.length - 1} steps" style="width:100%">
${Array.from({ length: wide * high }, (_, i) => html`<rect x="${(i % wide) * side}" y="${Math.floor(i / wide) * side}" width="${side}" height="${side}" fill="${world.walls.some(([x, y]) => x === i % wide && y === high - 1 - Math.floor(i / wide)) ? 'currentColor' : 'none'}" fill-opacity="0.4" stroke="currentColor" stroke-opacity="0.25"/>`)}
<g class="s0"><polyline class="line" points="${points.join(' ')}" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linejoin="round"/><circle cx="${points[0]!.split(',')[0]}" cy="${points[0]!.split(',')[1]}" r="4" fill="currentColor"/></g>
<g fill="currentColor" font-size="14" font-weight="600">${world.coins.map(({ at, value }) => text(at, String(value)))}${world.buttons.map(({ at, adds }) => text(at, `+${adds}`))}${world.pause && text(world.pause.blocker, 'P')}</g>
</svg>`
}
