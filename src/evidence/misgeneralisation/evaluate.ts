import type { Stream } from '../stream.ts'
import { type Agent, policyOf, sampled } from './agent.ts'
import { actions, begin, cells, corner, distance, type Place, type Setting, seen, step, steps } from './grid.ts'

/** How episodes end, and what the steps look like they are after. */
export interface Outcomes {
  /** Share of episodes in which the coin is reached. */
  readonly goal: number
  /** Share in which the coin is not reached but the corner or the marker is: a competent pursuit of something else. */
  readonly pursuit: number
  /** Posterior of what the steps are after, mean over episodes. */
  readonly posterior: Readonly<Record<'object' | 'corner' | 'colour' | 'nothing', number>>
}

/** Any policy: probabilities of the steps from a place. */
export type Acts = (place: Place) => ArrayLike<number>

/** How an agent acts in a setting. */
export function actsOf(agent: Agent, setting: Pick<Setting, 'skin'> = {}): Acts {
  return (place) => policyOf(agent, seen(place, setting))
}

/** Runs a policy for so many episodes of a setting. */
export function evaluate(acts: Acts, setting: Setting, draw: Stream, episodes = 400): Outcomes {
  let [goal, pursuit] = [0, 0]
  const posterior = { object: 0, corner: 0, colour: 0, nothing: 0 }
  for (let episode = 0; episode < episodes; episode++) {
    let place = begin(setting, draw)
    const targets = { object: place.coin, corner, colour: place.marker, nothing: undefined }
    const logps = { object: 0, corner: 0, colour: place.marker === undefined ? Number.NEGATIVE_INFINITY : 0, nothing: 0 }
    let elsewhere = false
    for (let t = 0; t < steps && place.agent !== place.coin; t++) {
      const action = sampled(acts(place), draw)
      for (const name of names) logps[name] += logpTowards(targets[name], place.agent, action)
      place = { ...place, agent: step(place.agent, action) }
      if (place.agent === (place.marker ?? corner)) elsewhere = true
    }
    if (place.agent === place.coin) goal += 1 / episodes
    else if (elsewhere) pursuit += 1 / episodes
    const most = Math.max(...names.map((name) => logps[name]))
    const total = names.reduce((sum, name) => sum + Math.exp(logps[name] - most), 0)
    for (const name of names) posterior[name] += Math.exp(logps[name] - most) / total / episodes
  }
  return { goal, pursuit, posterior }
}

const names = ['object', 'corner', 'colour', 'nothing'] as const

/** Log-probability of a step under one who goes to a target nine times of ten, or anywhere without one. */
function logpTowards(target: number | undefined, agent: number, action: number): number {
  if (target === undefined || agent === target) return -Math.log(actions)
  const nearer = (a: number) => distance(step(agent, a), target) < distance(agent, target)
  const good = [0, 1, 2, 3].filter(nearer).length
  return Math.log((nearer(action) ? 0.9 / good : 0) + 0.1 / actions)
}

/** Jensen–Shannon divergence of two distributions, nats (V-JS-1). */
export function jensenShannon(p: ArrayLike<number>, q: ArrayLike<number>): number {
  const part = (x: number, y: number) => (x > 0 ? 0.5 * x * Math.log((2 * x) / (x + y)) : 0)
  return Array.from(p).reduce((sum, x, i) => sum + part(x, q[i]!) + part(q[i]!, x), 0)
}

/** How far two ways to act are apart: the mean over all places of agent and coin, the second one with the coin where `moved` puts it. */
export function divergence(one: Acts, other: Acts, moved: (coin: number) => number = (coin) => coin): number {
  let [sum, n] = [0, 0]
  for (let agent = 0; agent < cells - 1; agent++)
    for (let coin = 0; coin < cells; coin++) {
      if (agent === coin) continue
      sum += jensenShannon(one({ agent, coin }), other({ agent, coin: moved(coin) }))
      n++
    }
  return sum / n
}
