import { random } from '../../random/index.ts'
import { adam } from '../adam.ts'
import { type Candidate, smallestScale } from './decide.ts'
import { descend, followBudget, sumOf } from './descend.ts'
import { type Changes, norm } from './edit-form.ts'
import { gate, opens, settled } from './gates.ts'
import { type SizeSearch, stepOf } from './sizes.ts'

/** How often λ is halved in on, between these shares of the target's loss a gate that is always open costs. */
const [lambdas, least, most] = [5, 1e-2, 1e2]
/** Gates begin open with a probability of 97 %; all steps together can move log α by half of this, far enough to close one for good. */
const [begin, reachAlpha] = [2, 20]
/** Share of a site's own size that a step moves its change. */
const reach = 0.05

/**
 * The fewest numbers that do: each number of a change has a hard-concrete gate, and λ, the price of the expected share of open ones, is halved in on. What
 * is closed in the end is exactly 0.
 *
 * source  Louizos, Welling and Kingma 2018, arXiv:1712.01312
 */
export async function byGates(search: SizeSearch): Promise<Candidate> {
  const { searched, sites, aim, steps, seed, look } = search
  const together = [sites.map(({ name }) => name)]
  const first = await descend(searched, sites, {}, aim, { steps, seed, groups: together, ...stepOf(search) })
  let best = await smallestScale(searched, first, look)
  if (!best.decided.meets) return best
  let loss = 0
  await searched.put({})
  for (let batch = 0; batch < aim.target.batches; batch++) loss += (await aim.target.loss(batch)) / aim.target.batches
  let [low, high] = [Math.log(least * loss), Math.log(most * loss)]
  for (let i = 0; i < lambdas; i++) {
    const middle = (low + high) / 2
    const changes = await descendGates(search, best.changes, Math.exp(middle))
    const decided = await look()
    if (!decided.meets) {
      high = middle
      continue
    }
    low = middle
    if (changed(changes) < changed(best.changes)) best = { changes, norm: norm(...Object.values(changes)), decided }
  }
  return smallestScale(searched, best.changes, look)
}

/** How many numbers a change moves. */
export function changed(changes: Changes): number {
  return Object.values(changes).reduce((sum, x) => sum + x.reduce((n, v) => n + Number(v !== 0), 0), 0)
}

/** Descends E_target[loss] + μ·E_control[KL] + λ·(expected share of open gates) in changes and in the log α of their gates. */
async function descendGates({ searched, sites, aim, steps, seed, onStep }: SizeSearch, start: Changes, lambda: number): Promise<Changes> {
  const zeros = (n: number) => ({ m: new Float64Array(n), v: new Float64Array(n) })
  const parts = sites.map(({ name, numbers, size }) => {
    const from = start[name]!
    const logAlpha = Float64Array.from(from, (x) => (x === 0 ? -begin : begin))
    return {
      name,
      numbers,
      lr: (reach * size) / Math.sqrt(numbers),
      change: from.slice(),
      logAlpha,
      of: zeros(numbers),
      ofAlpha: zeros(numbers),
    }
  })
  const all = sites.reduce((sum, { numbers }) => sum + numbers, 0)
  let mu = 0.03
  for (let step = 1; step <= steps; step++) {
    const drawn = new Map(
      parts.map(({ name, numbers, logAlpha }) => {
        const u = random(seed, `search/gates/${name}`).integers(numbers, 2 ** 24, step)
        return [name, Array.from(logAlpha, (x, i) => gate(x, (u[i]! + 0.5) / 2 ** 24))] as const
      }),
    )
    await searched.put(Object.fromEntries(parts.map(({ name, change }) => [name, change.map((x, i) => x * drawn.get(name)![i]!.open)])))
    const gain = await aim.target.slope(step % aim.target.batches)
    const cost = await aim.control.slope(step % aim.control.batches)
    mu = followBudget(mu, cost.loss, aim.budget)
    const slopes = sumOf(gain.slopes, cost.slopes, mu)
    const rate = Math.cos((Math.PI / 2) * ((step - 1) / steps)) ** 2
    for (const { name, change, logAlpha, lr, of, ofAlpha } of parts) {
      const [slope, gates] = [slopes[name]!, drawn.get(name)!]
      const pull = slope.map((s, i) => s * change[i]! * gates[i]!.slope + (lambda / all) * opens(logAlpha[i]!).slope)
      adam(change, slope.map((s, i) => s * gates[i]!.open), of, step, rate * lr) // biome-ignore format: one line
      adam(logAlpha, pull, ofAlpha, step, (rate * reachAlpha) / steps)
    }
    onStep?.(step, steps)
  }
  const changes = Object.fromEntries(parts.map(({ name, change, logAlpha }) => [name, change.map((x, i) => x * settled(logAlpha[i]!))]))
  await searched.put(changes)
  return changes
}
