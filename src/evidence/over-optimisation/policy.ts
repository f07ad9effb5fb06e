import { adam } from '../dense-net.ts'
import type { Stream } from '../stream.ts'
import { deviation, dot, features, prompts, size, times, type World } from './world.ts'

/** What is known of a policy exactly, and what a user would see: scores and gold of completions that it says, with the members' disagreement. */
export interface Look {
  /** KL from the reference, the mean over prompts. units nats */
  readonly kl: number
  /** The mean gold of what it says; the reference's is 0. */
  readonly gold: number
  readonly seen: { readonly score: readonly number[]; readonly gold: readonly number[]; readonly doubt: readonly number[] }
}

export interface Training {
  readonly steps: number
  /** Completions of each prompt in a step: the group. */
  readonly group: number
  readonly rate: number
  /** A look after so many steps, and one at the beginning. */
  readonly every: number
  /** Completions of each prompt in a look. */
  readonly seen: number
  /** Training ends at this KL. units nats */
  readonly furthest: number
}

/**
 * Trains a policy by its reward and looks at it on the way. It is one dense layer from a prompt's features to the mean of a normal law over
 * completions, and begins as the reference. The gradient is that of GRPO without a KL term: a group of each prompt is drawn, and the
 * log-probability of each completion moves by its score above the group's mean, in deviations. Every sample is used once, so no ratio is clipped.
 *
 * source  Shao et al. 2024, arXiv:2402.03300; Adam
 */
export function train(world: World, { steps, group, rate, every, seen, furthest }: Training, draw: Stream): Look[] {
  const layer = new Float64Array(size * features)
  const descend = adam(layer, rate)
  const looks = [lookAt(world, layer, seen, draw)]
  for (let step = 1; step <= steps && looks.at(-1)!.kl < furthest; step++) {
    const gradient = new Float64Array(layer.length)
    for (let prompt = 0; prompt < prompts; prompt++) {
      const x = featuresOf(world, prompt)
      const mean = times(layer, x)
      const said = Array.from({ length: group }, () => drawn(mean, draw))
      const slope = slopeOf(mean, said, advantages(said.map((y) => world.score(prompt, y))))
      for (let i = 0; i < size; i++) for (let j = 0; j < features; j++) gradient[i * features + j]! += (slope[i]! * x[j]!) / prompts
    }
    descend(gradient)
    if (step % every === 0) looks.push(lookAt(world, layer, seen, draw))
  }
  return looks
}

/** Scores less the group's mean, over its deviation. */
export function advantages(scores: readonly number[]): number[] {
  const mean = scores.reduce((sum, x) => sum + x, 0) / scores.length
  const spread = deviation(scores) + 1e-4
  return scores.map((x) => (x - mean) / spread)
}

/** Of the mean of −advantage · log N(y; mean, 1), by the mean. */
export function slopeOf(mean: Float64Array, said: readonly Float64Array[], advantage: readonly number[]): Float64Array {
  return mean.map((m, i) => -said.reduce((sum, y, k) => sum + advantage[k]! * (y[i]! - m), 0) / said.length)
}

/** A completion of a normal policy with this mean. */
export function drawn(mean: Float64Array, draw: Stream): Float64Array {
  return mean.map((m) => m + draw.normal())
}

function featuresOf(world: World, prompt: number): Float64Array {
  return world.prompts.subarray(prompt * features, (prompt + 1) * features)
}

function lookAt(world: World, layer: Float64Array, count: number, draw: Stream): Look {
  let [kl, gold] = [0, 0]
  const seen = { score: [] as number[], gold: [] as number[], doubt: [] as number[] }
  for (let prompt = 0; prompt < prompts; prompt++) {
    const mean = times(layer, featuresOf(world, prompt))
    kl += (0.5 * dot(mean, mean)) / prompts
    gold += world.meanGold(prompt, mean) / prompts
    for (let i = 0; i < count; i++) {
      const y = drawn(mean, draw)
      seen.score.push(world.score(prompt, y))
      seen.gold.push(world.gold(prompt, y))
      seen.doubt.push(deviation(world.scores(prompt, y)))
    }
  }
  return { kl, gold, seen }
}
