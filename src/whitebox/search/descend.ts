import { random } from '../../random/index.ts'
import type { Changes } from './edit-form.ts'
import type { Searched, Wanted } from './searched.ts'
import { shrink } from './shrink.ts'
import type { Site } from './sites.ts'

/** What an edit is searched for: texts where the loss should fall, texts that should be predicted as before, and what that may cost. */
export interface Aim {
  readonly target: Wanted
  readonly control: Wanted
  /** The most KL on control texts, nats per token. */
  readonly budget: number
}

export interface Descend {
  readonly steps: number
  /** Weight of the size in the loss. */
  readonly lambda?: number
  /** Sites that are one group. */
  readonly groups: readonly (readonly string[])[]
  readonly seed: number
  readonly onStep?: (step: number, of: number) => void
}

/** Share of the budget that the weight of the control loss holds to, since held-out texts cost more than those searched on. */
const holdTo = 0.7
const [decay1, decay2] = [0.9, 0.98]
/** Share of a site's own size that one step moves. */
const reach = 0.05

/**
 * Descends E_target[loss] + μ·E_control[KL] + λ·Σ_g ‖δ_g‖ from changes of sites, leaves the model under what it came to, and returns that. Adam with one scale for all
 * entries of a group, so that the proximal step is exact in its metric; μ rises while the control KL is above 0.7 of its budget, and falls while it is below.
 *
 * source  Kingma and Ba 2014, arXiv:1412.6980; the proximal step: shrink
 */
export async function descend(
  searched: Searched,
  sites: readonly Site[],
  start: Changes,
  { target, control, budget }: Aim,
  { steps, groups, lambda = 0, seed, onStep }: Descend,
): Promise<Changes> {
  const parts = Object.fromEntries(sites.map(({ name, numbers }) => [name, start[name]?.slice() ?? new Float64Array(numbers)]))
  const size = Object.fromEntries(sites.map(({ name, size }) => [name, size]))
  const first = Object.fromEntries(sites.map(({ name, numbers }) => [name, new Float64Array(numbers)]))
  const second = groups.map(() => 0)
  const batches = [dealer(target.batches, seed, 'target'), dealer(control.batches, seed, 'control')] as const
  let mu = 0.03
  for (let step = 1; step <= steps; step++) {
    await searched.put(parts)
    const gain = await target.slope(batches[0]())
    const cost = await control.slope(batches[1]())
    mu = followBudget(mu, cost.loss, budget)
    const slopes = sumOf(gain.slopes, cost.slopes, mu)
    const rate = Math.cos((Math.PI / 2) * ((step - 1) / steps)) ** 2
    for (const [g, group] of groups.entries()) {
      let square = 0
      for (const name of group) for (const x of slopes[name]!) square += x * x
      second[g] = decay2 * second[g]! + (1 - decay2) * square
      const length = Math.sqrt(second[g]! / (1 - decay2 ** step))
      if (!(length > 0)) continue
      const by = (rate * reach * Math.max(...group.map((name) => size[name]!))) / length
      for (const name of group) {
        const [part, slope, m] = [parts[name]!, slopes[name]!, first[name]!]
        for (let i = 0; i < part.length; i++) {
          m[i] = decay1 * m[i]! + (1 - decay1) * slope[i]!
          part[i]! -= (by * m[i]!) / (1 - decay1 ** step)
        }
      }
      const together = group.map((name) => parts[name]!)
      if (lambda > 0) shrink(together, by * lambda)
    }
    onStep?.(step, steps)
  }
  await searched.put(parts)
  return parts
}

/** The next weight of the control loss. */
export function followBudget(mu: number, cost: number, budget: number): number {
  return Math.min(1e5, Math.max(1e-3, mu * Math.exp(0.15 * Math.max(-1, Math.min(1, cost / (holdTo * budget) - 1)))))
}

/** a + μ·b of every site. */
export function sumOf(a: Changes, b: Changes, mu: number): Changes {
  return Object.fromEntries(Object.entries(a).map(([name, x]) => [name, x.map((v, i) => v + mu * b[name]![i]!)]))
}

/** Batches in an order drawn anew each time round. */
function dealer(count: number, seed: number, name: string): () => number {
  let left: number[] = []
  let round = 0
  return () => {
    if (left.length === 0) left = random(seed, `search/${name}/${round++}`).shuffled([...Array(count).keys()])
    return left.pop()!
  }
}
