import { type Candidate, smallestScale } from './decide.ts'
import { descendFactors, type FactorAim, factorLoss } from './descend-factors.ts'
import { changesOf, type FactorForm, factorForm, steepest } from './factor-form.ts'
import type { Lbfgs, Smooth } from './lbfgs.ts'
import type { Site } from './sites.ts'
import { type SizeSearch, slopesAt, stepOf } from './sizes.ts'
import { type Whitening, whiteningsOf } from './whitening.ts'

/** What a search by rank works with too. */
export interface RankSearch extends SizeSearch {
  /** Texts whose predictions say how much a direction does. */
  readonly texts: readonly (readonly number[])[]
  /** Whether a model of the wanted predictions is known to exist, so that the loss has a bottom; else the norm is held down. */
  readonly taught: boolean
  /** The share of rows held out on which the completion must be the likeliest. */
  readonly success: number
  /** The norm that is needed to first order. */
  readonly lowerBound: number
}

interface Ranking extends RankSearch {
  readonly whitenings: Readonly<Record<string, Whitening>>
  /** The target's loss where nothing is changed. */
  readonly loss: number
  readonly lambda: number
}

/** Ranks that are tried at one site, and those tried at all of them. */
const [oneSite, allSites] = [
  [1, 2, 4, 8],
  [1, 4],
]

/**
 * The smallest rank that does: at the site where a change of rank 1 gets furthest, found by descending at each and leaving the worse half after each round; where
 * no rank does there, at all sites. Of that rank a small norm: of completions λ falls until what is wanted is reached, and the smallest multiple that still does is taken.
 */
export async function byRank(search: RankSearch): Promise<Candidate> {
  const { searched, sites, lowerBound, taught } = search
  const whitenings = await whiteningsOf(searched, sites, search.texts, search.seed)
  const { loss, slopes } = await slopesAt(search, {})
  const ranking = { ...search, whitenings, loss, lambda: taught ? 0 : (2 * loss) / lowerBound ** 2 || 1 }
  const added = (site: Site, from = slopes) => joined(steepest(site, from[site.name]!, whitenings[site.name]!, search.seed))
  const starts = new Map(sites.map((site) => [site, added(site)]))
  const [site, start] = await bestSite(ranking, starts)
  let at = start
  let last: Candidate | undefined
  const of = async (form: FactorForm, from: Float64Array) => {
    const made = await smallest(ranking, form, from)
    last = !last || better(made.found, last) ? made.found : last
    return made
  }
  for (const rank of oneSite.filter((rank) => rank <= Math.min(...site.shape))) {
    const [form, before] = [factorForm([site], rank, whitenings), at]
    const from = async (more: number) => {
      const bare = factorForm([site], Math.max(1, rank / 2), whitenings)
      const { slopes } = await slopesAt(search, bare.changes(before))
      return grown(before, site, rank / 2, more, added(site, slopes))
    }
    const { found, reached } = await of(form, rank === 1 ? at : await from(rank))
    if (found.decided.meets) {
      for (let less = rank / 2 + 1; less < rank; less++) {
        const tried = await of(factorForm([site], less, whitenings), await from(less))
        if (tried.found.decided.meets) return tried.found
      }
      return found
    }
    at = reached
  }
  if (sites.length > 1)
    for (const rank of allSites) {
      const from = sites.map((site) => grown(new Float64Array(0), site, 0, Math.min(rank, ...site.shape), starts.get(site)!))
      const { found } = await of(factorForm(sites, rank, whitenings), Float64Array.from(from.flatMap((x) => [...x])))
      if (found.decided.meets) return found
    }
  return last!
}

/** Share of the texts that sites are compared on. */
const share = 1 / 3

async function bestSite(search: Ranking, starts: ReadonlyMap<Site, Float64Array>): Promise<[Site, Float64Array]> {
  const { searched, aim, whitenings, loss, steps } = search
  const [first] = starts
  if (starts.size === 1) return first!
  // What a site can reach shows once the norm costs little.
  const from = { ...aim, lambda: search.lambda / 16, weight: loss, share }
  let left: { site: Site; smooth: Smooth; start: Float64Array | Lbfgs; value: number }[] = []
  for (const [site, added] of starts) {
    const smooth = factorLoss(searched, factorForm([site], 1, whitenings), from)
    left.push({ site, smooth, start: await begun(smooth, new Float64Array(added.length), added), value: 0 })
  }
  while (left.length > 1) {
    const each = Math.max(6, Math.round(steps / 10))
    for (const one of left) {
      one.start = await descendFactors(one.smooth, one.start, each, stepOf(search))
      one.value = one.start.value
    }
    left = left.sort((a, b) => a.value - b.value).slice(0, Math.ceil(left.length / 2))
  }
  const [{ site, start }] = left as [(typeof left)[0]]
  // A third of a teacher's texts is matched by other changes too, from which those of all texts are not reached.
  return [site, search.taught ? starts.get(site)! : (start as Lbfgs).at]
}

/** Of a teacher's predictions, the share of the loss that may be left where a descent ends. */
const enough = 0.002
/** λ falls by this factor until what is wanted is reached, at most so often. */
const [fall, falls] = [4, 8]
/** Steps for each λ at least. */
const leastSteps = 10

/** A form's numbers that do what is wanted with a small norm, or come near. */
async function smallest(search: Ranking, form: FactorForm, start: Float64Array): Promise<{ found: Candidate; reached: Float64Array }> {
  const { searched, aim, taught, loss, steps, look, success } = search
  let [at, lambda, weight] = [start, search.lambda, loss]
  const brief = Math.min(steps, Math.max(leastSteps, Math.ceil(steps / 4)))
  const descended = async (lambda: number, from: Float64Array, most: number) => {
    const smooth = factorLoss(searched, form, { ...aim, lambda, weight } satisfies FactorAim)
    const begin = await begun(smooth, new Float64Array(from.length), from)
    const { at } = await descendFactors(smooth, begin, most, { enough: taught ? enough * loss : 0, ...stepOf(search) })
    await searched.put(form.changes(at))
    return { at, decided: await look() }
  }
  let best: { at: Float64Array } | undefined
  let bound = 0
  for (let turn = 0; turn < (taught ? 2 : falls); turn++) {
    const tried = await descended(lambda, at, taught ? steps : brief)
    at = tried.at
    if (tried.decided.meets) {
      best = tried
      break
    }
    // Where the budget is spent and the behaviour is not there, a smaller λ brings nothing.
    const spent = Math.max(tried.decided.controlKl, tried.decided.controlKlHeldOut) / aim.budget
    if (spent > 0.5 && tried.decided.success < success && ++bound === 2) break
    if (spent > 1) weight *= 10
    else lambda /= fall
  }
  if (best && !taught) {
    const tried = await descended(lambda * Math.sqrt(fall), best.at, brief)
    if (tried.decided.meets) best = tried
  }
  const reached = best?.at ?? at
  const factors = form.factors(reached)
  return { found: await smallestScale(searched, changesOf(form.sites, factors), look, factors), reached }
}

/** A place to begin at: what is added to numbers, made smaller until it lowers the value. */
async function begun(smooth: Smooth, numbers: Float64Array, added: Float64Array): Promise<Float64Array> {
  const { value } = await smooth(numbers)
  let at = numbers
  for (let by = 1; by > 1e-4; by /= 3) {
    at = numbers.map((x, i) => x + by * added[i]!)
    if ((await smooth(at)).value < value) break
  }
  return at
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
