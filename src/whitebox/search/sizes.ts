import { type Candidate, type Decided, smallestScale } from './decide.ts'
import { type Aim, descend } from './descend.ts'
import { type Changes, type EditForm, factorForm, factorsOf, norm, type SiteFactors, startFactors, wholeForm } from './edit-form.ts'
import type { Searched } from './searched.ts'
import type { Site } from './sites.ts'

/** How the size of an edit is counted. */
export type EditSize = 'norm' | 'groups' | 'rank'

/** What a search works with. */
export interface SizeSearch {
  readonly searched: Searched
  readonly sites: readonly Site[]
  readonly aim: Aim
  readonly look: () => Promise<Decided>
  readonly seed: number
  readonly steps: number
  readonly onStep?: ((step: number, of: number) => void) | undefined
}

/** The slopes of the whole target where nothing is changed. */
export async function slopesAtZero({ searched, aim: { target } }: Pick<SizeSearch, 'searched' | 'aim'>): Promise<Changes> {
  await searched.put({})
  let sum: Record<string, Float64Array> | undefined
  for (let batch = 0; batch < target.batches; batch++) {
    const { slopes } = await target.slope(batch)
    sum = sum ? Object.fromEntries(Object.entries(sum).map(([name, x]) => [name, x.map((v, i) => v + slopes[name]![i]!)])) : { ...slopes }
  }
  return Object.fromEntries(Object.entries(sum!).map(([name, x]) => [name, x.map((v) => v / target.batches)]))
}

/** Ranks that are tried at one site, and those tried at all of them. */
const [oneSite, allSites] = [
  [1, 2, 4, 8],
  [1, 4],
]

/**
 * The smallest rank that does: at the site where a change of rank 1 gets furthest, found by searching at all and leaving the worse half after each round; where
 * no rank does there, at all sites. Of that rank the smallest multiple that still does.
 */
export async function byRank(search: SizeSearch): Promise<Candidate> {
  const { sites, steps } = search
  const slopes = await slopesAtZero(search)
  const [site, start] = await bestSite(search, slopes)
  let factors = start
  let last: Candidate | undefined
  const of = async (where: readonly Site[], from: Record<string, SiteFactors>) => {
    const form = factorForm(where, from)
    let found: Candidate
    // What does not do yet is descended once more before the rank grows.
    for (let turn = 0; ; turn++) {
      await descend(search.searched, form, search.aim, { steps, seed: search.seed + turn, ...stepOf(search) })
      found = await smallestScale(search.searched, form, search.look)
      if (found.decided.meets || turn === 1) break
    }
    last = !last || better(found, last) ? found : last
    return { form, found }
  }
  const grown = (where: Site, rank: number, from?: SiteFactors) => startFactors(where, slopes[where.name]!, rank, search.seed, from)
  for (const rank of oneSite.filter((rank) => rank <= Math.min(...site.shape))) {
    const { form, found } = await of([site], { [site.name]: grown(site, rank, factors) })
    if (found.decided.meets) {
      const before = factors
      for (let less = rank / 2 + 1; less < rank; less++) {
        const tried = (await of([site], { [site.name]: grown(site, less, before) })).found
        if (tried.decided.meets) return tried
      }
      return found
    }
    factors = factorsOf([site], form)[site.name]
  }
  if (sites.length > 1)
    for (const rank of allSites) {
      const { found } = await of(sites, Object.fromEntries(sites.map((one) => [one.name, grown(one, Math.min(rank, ...one.shape))])))
      if (found.decided.meets) return found
    }
  return last!
}

async function bestSite(search: SizeSearch, slopes: Changes): Promise<[Site, SiteFactors | undefined]> {
  const { searched, aim, seed, steps } = search
  let left = search.sites.map((site) => ({ site, factors: startFactors(site, slopes[site.name]!, 1, seed) }))
  if (left.length === 1) return [left[0]!.site, undefined]
  const each = Math.max(8, Math.round(steps / 5))
  while (left.length > 1) {
    const tried: { site: Site; factors: SiteFactors; loss: number }[] = []
    for (const { site, factors } of left) {
      const form = factorForm([site], { [site.name]: factors })
      const { target, control } = await descend(searched, form, aim, { steps: each, seed, ...stepOf(search) })
      tried.push({ site, factors: factorsOf([site], form)[site.name]!, loss: target * Math.max(1, control / aim.budget) })
    }
    left = tried.sort((a, b) => a.loss - b.loss).slice(0, Math.ceil(tried.length / 2))
  }
  return [left[0]!.site, left[0]!.factors]
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
  const slopes = await slopesAtZero(search)
  const most = Math.max(...groups.map((group) => norm(...group.map((name) => slopes[name]!))))
  const form: EditForm = wholeForm(sites)
  await descend(searched, form, aim, { steps, seed, groups, ...stepOf(search) })
  let best = await smallestScale(searched, form, search.look)
  if (!best.decided.meets) return best
  let [low, high] = [Math.log(most * 1e-3), Math.log(most)]
  for (let i = 0; i < lambdas; i++) {
    const middle = (low + high) / 2
    const next = wholeForm(sites, best.changes)
    await descend(searched, next, aim, { steps: Math.round(steps / 2), seed, groups, lambda: Math.exp(middle), ...stepOf(search) })
    const decided = await search.look()
    if (decided.meets) low = middle
    else high = middle
    const changes = next.changes()
    const found: Candidate = { form: next, scale: 1, changes, norm: norm(...Object.values(changes)), decided }
    if (decided.meets && (size === 'norm' ? found.norm < best.norm : fewer(found, best, groups))) best = found
  }
  return smallestScale(searched, wholeForm(sites, best.changes), search.look)
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

function better(a: Candidate, b: Candidate): boolean {
  if (a.decided.meets !== b.decided.meets) return a.decided.meets
  return a.decided.success > b.decided.success
}

function stepOf({ onStep }: SizeSearch) {
  return onStep ? { onStep } : {}
}
