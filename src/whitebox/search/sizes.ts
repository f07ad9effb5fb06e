import { type Candidate, type Decided, smallestScale } from './decide.ts'
import { type Aim, descend } from './descend.ts'
import { type Changes, norm } from './edit-form.ts'
import type { Searched } from './searched.ts'
import type { Site } from './sites.ts'

/** How the size of an edit is counted. */
export type EditSize = 'norm' | 'groups' | 'gates' | 'rank'

/** What a search works with. */
export interface SizeSearch {
  readonly searched: Searched
  readonly sites: readonly Site[]
  readonly aim: Aim
  readonly look: (brief?: boolean) => Promise<Decided>
  readonly seed: number
  readonly steps: number
  readonly onStep?: ((step: number, of: number) => void) | undefined
}

/** The loss of the whole target under changes, and its slopes. */
export async function slopesAt({ searched, aim: { target } }: Pick<SizeSearch, 'searched' | 'aim'>, changes: Changes) {
  await searched.put(changes)
  const slopes: Record<string, Float64Array> = {}
  let loss = 0
  for (let batch = 0; batch < target.batches; batch++) {
    const found = await target.slope(batch)
    loss += found.loss / target.batches
    for (const [name, slope] of Object.entries(found.slopes)) {
      const into = (slopes[name] ??= new Float64Array(slope.length))
      for (let i = 0; i < slope.length; i++) into[i]! += slope[i]! / target.batches
    }
  }
  return { loss, slopes }
}

/** How often λ is halved in on. */
const lambdas = 5

/**
 * The smallest norm that does, or with groups the fewest blocks and then the smallest norm: λ, the weight of the size in the loss, is halved in on between 0
 * and the slope where nothing is changed, at which nothing would be.
 */
export async function byNorm(search: SizeSearch, size: 'norm' | 'groups'): Promise<Candidate> {
  const { searched, sites, aim, steps, seed } = search
  const groups = size === 'norm' ? [sites.map(({ name }) => name)] : groupsOf(sites)
  const { slopes } = await slopesAt(search, {})
  const most = Math.max(...groups.map((group) => norm(...group.map((name) => slopes[name]!))))
  const first = await descend(searched, sites, {}, aim, { steps, seed, groups, ...stepOf(search) })
  let best = await smallestScale(searched, first, search.look)
  if (!best.decided.meets) return best
  let [low, high] = [Math.log(most * 1e-3), Math.log(most)]
  for (let i = 0; i < lambdas; i++) {
    const middle = (low + high) / 2
    const changes = await descend(searched, sites, best.changes, aim, { steps: Math.round(steps / 2), seed, groups, lambda: Math.exp(middle), ...stepOf(search) }) // biome-ignore format: one line
    const decided = await search.look()
    if (decided.meets) low = middle
    else high = middle
    const found: Candidate = { changes, norm: norm(...Object.values(changes)), decided }
    if (decided.meets && (size === 'norm' ? found.norm < best.norm : fewer(found, best, groups))) best = found
  }
  return smallestScale(searched, best.changes, search.look)
}

/** Sites of one block are one group. */
function groupsOf(sites: readonly Site[]): string[][] {
  return [...new Set(sites.map(({ layer, name }) => layer ?? name))].map((key) =>
    sites.filter(({ layer, name }) => (layer ?? name) === key).map(({ name }) => name),
  )
}

function fewer(a: Candidate, b: Candidate, groups: readonly (readonly string[])[]): boolean {
  const count = ({ changes }: Candidate) => groups.filter((group) => norm(...group.map((name) => changes[name]!)) > 0).length
  return count(a) < count(b) || (count(a) === count(b) && a.norm < b.norm)
}

export function stepOf({ onStep }: SizeSearch) {
  return onStep ? { onStep } : {}
}
