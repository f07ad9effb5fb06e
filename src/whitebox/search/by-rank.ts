import { bestSites } from './best-sites.ts'
import type { Candidate } from './decide.ts'
import { factorForm, steepest } from './factor-form.ts'
import { type Ranking, type RankSearch, smallest } from './of-rank.ts'
import type { Site } from './sites.ts'
import { slopesAt } from './sizes.ts'
import { whiteningsOf } from './whitening.ts'

/** Share of the budget that a descent holds to: of a teacher, who keeps within it by what is to be found itself, nearly all. */
const [holdsTo, taughtHoldsTo] = [0.7, 0.95]
/** Ranks above 1 that are tried at one site, and those tried at all of them. */
const [ranks, allSites] = [
  [2, 4, 8],
  [1, 4],
]
/** A larger rank is tried while the last one left less than this share of what was missing. */
const nearer = 0.8
/** Sites of which rank 1 is tried: the best one, and the next where it does not do. */
const mostSites = 2

/**
 * The smallest rank that does: at the site where a change of rank 1 gets furthest, found by descending at each and leaving the worse half after each round; where
 * no rank does there, at all sites. A rank that brings it little nearer is the last one. Of that rank a small norm: of completions λ falls until what is wanted is
 * reached, and the smallest multiple that still does is taken.
 */
export async function byRank(search: RankSearch): Promise<Candidate> {
  const { searched, sites, lowerBound, taught } = search
  const whitening = await whiteningsOf(searched, search.texts, search.seed)
  const { loss, slopes } = await slopesAt(search, {})
  const ranking: Ranking = {
    ...search,
    whitening,
    loss,
    lambda: taught ? 0 : (2 * loss) / lowerBound ** 2 || 1,
    holdTo: taught ? taughtHoldsTo : holdsTo,
  }
  const added = (site: Site, from = slopes) => joined(steepest(site, from[site.name]!, whitening(site), search.seed))
  const starts = new Map(sites.map((site) => [site, added(site)]))
  const ranked = await bestSites(ranking, starts)
  let last: { site: Site; found: Candidate; reached: Float64Array } | undefined
  for (const { site, start } of ranked.slice(0, mostSites)) {
    const made = { site, ...(await smallest(ranking, [site], 1, start)) }
    if (made.found.decided.meets) return made.found
    if (!last || better(made.found, last.found)) last = made
  }
  const one = last!
  let [best, at, missing] = [one.found, one.reached, missingOf(one.found)]
  /** Whether another rank is worth it. */
  const goesOn = ({ found }: { readonly found: Candidate }) => {
    if (better(found, best)) best = found
    const [before, now] = [missing, missingOf(found)]
    missing = Math.min(before, now)
    return !found.decided.meets && now < nearer * before
  }
  for (const rank of ranks.filter((rank) => rank <= Math.min(...one.site.shape))) {
    const before = at
    const bare = factorForm([one.site], rank / 2, whitening)
    const { slopes } = await slopesAt(search, bare.changes(before))
    const from = (more: number) => grown(before, one.site, rank / 2, more, added(one.site, slopes))
    const made = await smallest(ranking, [one.site], rank, from(rank))
    const on = goesOn(made)
    if (made.found.decided.meets) {
      for (let less = rank / 2 + 1; less < rank; less++) {
        const tried = await smallest(ranking, [one.site], less, from(less))
        if (tried.found.decided.meets) return tried.found
      }
      return made.found
    }
    at = made.reached
    if (!on) break
  }
  if (sites.length > 1)
    for (const rank of allSites) {
      const from = sites.map((site) => grown(new Float64Array(0), site, 0, Math.min(rank, ...site.shape), starts.get(site)!))
      const made = await smallest(ranking, sites, rank, Float64Array.from(from.flatMap((x) => [...x])))
      if (made.found.decided.meets) return made.found
      if (!goesOn(made)) break
    }
  return best
}

/** The share that the rows held out, or the paraphrases, still lack. */
function missingOf({ decided: { success, paraphrases = 1, explained = 1 } }: Candidate): number {
  return 1 - Math.min(success, paraphrases, explained)
}

function joined({ up, down }: { readonly up: Float64Array; readonly down: Float64Array }): Float64Array {
  return Float64Array.from([...up, ...down])
}

/** Numbers of a form of one site with more columns than it had: the first one new, the others a little of it, since columns that are 0 stay so. */
function grown(before: Float64Array, { shape }: Site, had: number, rank: number, added: Float64Array): Float64Array {
  const m = shape[0]!
  const up = [...before.slice(0, had * m)]
  const down = [...before.slice(had * m)]
  for (let k = had; k < rank; k++) {
    const by = k === had ? 0.3 : 0.03 / (1 + k)
    for (let i = 0; i < m; i++) up.push(by * added[i]! * (k === had ? 1 : Math.cos(i * k)))
    for (let j = 0; j < shape[1]!; j++) down.push(by * added[m + j]! * (k === had ? 1 : Math.sin(j * k)))
  }
  return Float64Array.from([...up, ...down])
}

function better(a: Candidate, b: Candidate): boolean {
  if (a.decided.meets !== b.decided.meets) return a.decided.meets
  return a.decided.success > b.decided.success
}
