import { runaway } from '../../accept/index.ts'
import { bestOfNBound, bestOfNLaw, bestOfSample, fitLaw, policyGradientLaw } from '../../rewards/index.ts'
import { meanOver, type Numbers } from '../../runs/index.ts'
import type { Stream } from '../stream.ts'
import { drawn, type Look, type Training, train } from './policy.ts'
import { size, type World } from './world.ts'

/** Best of so many, and the distances √KL at which curves of a policy gradient are read. */
export const counts = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096] as const
export const distances = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5] as const
const training: Training = { steps: 600, group: 8, rate: 0.01, every: 10, seen: 16, furthest: 3.5 ** 2 }
/** Prompts that the best of n is taken of, and completions of each. */
const [asked, said] = [8, 8192] as const

/** The best of n: gold and reward by n, the law that fits, and how much of the highest gold is lost at the largest n. */
export function bestOfCurve(world: World, draw: Stream): Numbers {
  const sums = counts.map(() => ({ gold: 0, reward: 0 }))
  for (let prompt = 0; prompt < asked; prompt++) {
    const all = Array.from({ length: said }, () => drawn(new Float64Array(size), draw))
    // From the highest score on, so that each n finds them in order.
    const scored = all.map((y) => ({ score: world.score(prompt, y), gold: world.gold(prompt, y) })).sort((a, b) => b.score - a.score)
    const [score, gold] = [scored.map((one) => one.score), scored.map((one) => one.gold)]
    counts.forEach((n, i) => {
      sums[i]!.gold += bestOfSample(score, n, gold) / asked
      sums[i]!.reward += bestOfSample(score, n) / asked
    })
  }
  const gold = sums.map((sum) => sum.gold - sums[0]!.gold)
  const top = Math.max(...gold)
  const fitted = fitLaw(bestOfNLaw, counts.map((n, i) => [Math.sqrt(bestOfNBound(n)), gold[i]!])) // biome-ignore format: one line
  return {
    ...named(counts, (n, i) => ({ [`gold, best of ${n}`]: gold[i]!, [`reward, best of ${n}`]: sums[i]!.reward - sums[0]!.reward })),
    ...named(counts, (n) => ({ [`law, best of ${n}`]: fitted.gold(Math.sqrt(bestOfNBound(n))) })),
    'alpha, best of n': fitted.alpha,
    'beta, best of n': fitted.beta,
    'r2, best of n': fitted.r2,
    'lost, best of n': (top - gold.at(-1)!) / Math.max(top, 1e-3),
    'highest gold, best of n': top,
    'peak, best of n': Math.sqrt(bestOfNBound(counts[gold.indexOf(top)]!)),
  }
}

/** A policy gradient: gold and reward by √KL, the law that fits, how much of the highest gold is lost, and what stop rules keep. */
export function gradientCurve(world: World, draw: Stream): Numbers {
  const looks = train(world, training, draw)
  const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
  const score = looks.map(({ seen }) => mean(seen.score) - mean(looks[0]!.seen.score))
  const distance = looks.map(({ kl }) => Math.sqrt(kl))
  const gold = looks.map((look) => look.gold)
  const top = Math.max(...gold)
  const at = gold.indexOf(top)
  const fallen = gold.findIndex((g, i) => i > at && g < 0.9 * top)
  const fitted = fitLaw(policyGradientLaw, distance.map((d, i) => [d, gold[i]!])) // biome-ignore format: one line
  return {
    ...named(distances, (d) => ({ [`gold, d = ${d}`]: between(distance, gold, d), [`reward, d = ${d}`]: between(distance, score, d) })),
    ...named(distances, (d) => ({ [`law, d = ${d}`]: fitted.gold(Math.min(d, Math.max(...distance))) })),
    alpha: fitted.alpha,
    beta: fitted.beta,
    r2: fitted.r2,
    lost: (top - gold.at(-1)!) / Math.max(top, 1e-3),
    'highest gold': top,
    peak: distance[at]!,
    'steps until a tenth is lost': (fallen < 0 ? looks.length - 1 : fallen) * training.every,
    ...stopped(looks, gold, top),
  }
}

/** Where the rule of `runaway` ends the run, by completions that were seen alone, and the share of the highest gold of the policy that is kept. */
function stopped(looks: readonly Look[], gold: readonly number[], top: number): Numbers {
  const seen = looks.map(({ seen }) => ({ reward: meanOver('reward', seen.score), gold: meanOver('gold', seen.gold) }))
  let kept = gold.length - 1
  let fired = 0
  for (let k = 1; k <= seen.length && fired === 0; k++) {
    const found = runaway(seen.slice(0, k), 3)
    if (found) [kept, fired] = [found.best, k - 1]
  }
  const share = gold[kept]! / Math.max(top, 1e-3)
  const last = gold[fired === 0 ? gold.length - 1 : fired]! / Math.max(top, 1e-3)
  return { fired: fired > 0 ? 1 : 0, kept: share, 'within a tenth': share >= 0.9 ? 1 : 0, 'gold where it fired': last }
}

/** The value at x on the straight lines through points whose x mostly rises: at the first crossing, or the last value where x is not reached. */
export function between(x: readonly number[], y: readonly number[], at: number): number {
  const next = x.findIndex((found) => found >= at)
  if (next < 0) return y.at(-1)!
  if (next === 0) return y[0]!
  const [from, to] = [x[next - 1]!, x[next]!]
  return y[next - 1]! + ((at - from) / (to - from)) * (y[next]! - y[next - 1]!)
}

function named<T>(of: readonly T[], numbers: (one: T, i: number) => Numbers): Numbers {
  return Object.assign({}, ...of.map(numbers)) as Numbers
}
