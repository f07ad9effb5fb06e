import { softmaxRows } from '../dense-net.ts'
import type { Stream } from '../stream.ts'
import { actions, begin, codes, type Setting, seen, step, steps } from './grid.ts'

/** A policy whose logits are sums over the codes that are seen. */
export interface Agent {
  readonly logits: Float64Array
}

const [gamma, rate, valueRate] = [0.95, 0.3, 0.2]

/** Probabilities of the four steps. */
export function policyOf({ logits }: Agent, codesSeen: readonly number[]): Float64Array {
  const sum = new Float64Array(actions)
  for (const code of codesSeen) for (let a = 0; a < actions; a++) sum[a]! += logits[code * actions + a]!
  return softmaxRows(sum, actions)
}

/** One of several outcomes, by their probabilities. */
export function sampled(probabilities: ArrayLike<number>, draw: Stream): number {
  let left = draw.uniform()
  for (let i = 0; i < probabilities.length - 1; i++) if ((left -= probabilities[i]!) < 0) return i
  return probabilities.length - 1
}

/** An agent before training. */
export function freshAgent(draw: Stream): Agent {
  return { logits: Float64Array.from({ length: codes * actions }, () => 0.1 * draw.normal()) }
}

/**
 * Trains an agent by one-step actor-critic, with a reward of 1 for the coin, on so many episodes.
 *
 * source  Sutton & Barto 2018, section 13.5
 */
export function trained(setting: Setting, draw: Stream, episodes = 8000): Agent {
  const agent = freshAgent(draw)
  const values = new Float64Array(codes)
  const value = (all: readonly number[]) => all.reduce((sum, code) => sum + values[code]!, 0)
  for (let episode = 0; episode < episodes; episode++) {
    let place = begin(setting, draw)
    for (let t = 0; t < steps && place.agent !== place.coin; t++) {
      const now = seen(place, setting)
      const p = policyOf(agent, now)
      const action = sampled(p, draw)
      place = { ...place, agent: step(place.agent, action) }
      const there = place.agent === place.coin
      const surprise = (there ? 1 : gamma * value(seen(place, setting))) - value(now)
      for (const code of now) {
        values[code]! += (valueRate * surprise) / now.length
        for (let a = 0; a < actions; a++) agent.logits[code * actions + a]! += rate * surprise * ((a === action ? 1 : 0) - p[a]!)
      }
    }
  }
  return agent
}
