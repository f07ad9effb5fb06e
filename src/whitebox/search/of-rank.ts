import { type Candidate, smallestScale } from './decide.ts'
import { descendFactors, type FactorAim, factorLoss } from './descend-factors.ts'
import { changesOf, type FactorForm, factorForm } from './factor-form.ts'
import type { Smooth } from './lbfgs.ts'
import type { Site } from './sites.ts'
import { type SizeSearch, stepOf } from './sizes.ts'
import type { Damping, Whitening } from './whitening.ts'

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

/** A search by rank, with the coordinates it descends in. */
export interface Ranking extends RankSearch {
  readonly whitening: (site: Site, damping?: Damping) => Whitening
  /** The target's loss where nothing is changed. */
  readonly loss: number
  /** The weight of ½‖δ‖² that is begun with. */
  readonly lambda: number
  /** Share of the budget above which the control KL costs something. */
  readonly holdTo: number
}

/** A form's numbers that do what is wanted with a small norm, or come near. */
export function smallest(search: Ranking, sites: readonly Site[], rank: number, start: Float64Array): Promise<Reached> {
  return search.taught ? nearest(search, sites, rank, start) : cheapest(search, sites, rank, start)
}

export interface Reached {
  readonly found: Candidate
  /** The form's numbers, before they were made smaller. */
  readonly reached: Float64Array
}

/** Of a teacher's predictions, the share of the loss at which a descent goes on in sharper coordinates, that from which it does not, and that which may be left. */
const [sharper, far, enough] = [0.03, 0.3, 0.002]
/** Coordinates in which directions that do little are seen too, which mislead as long as much is wrong. */
const sharp: Damping = 0.1
/** A descent to a teacher ends where five steps bring less than this share. */
const stalled = 0.05

/** The change that predicts as the teacher does, as nearly as can be: that is one of a small norm, if the teacher is. */
async function nearest(search: Ranking, sites: readonly Site[], rank: number, start: Float64Array): Promise<Reached> {
  const { searched, aim, loss, steps, look, whitening, holdTo } = search
  const descended = async (form: FactorForm, from: (smooth: Smooth) => Promise<Float64Array>, left: number) => {
    const smooth = factorLoss(searched, form, { ...aim, lambda: 0, weight: loss, holdTo } satisfies FactorAim)
    return descendFactors(smooth, await from(smooth), steps, { enough: left * loss, little: stalled, ...stepOf(search) })
  }
  const form = factorForm(sites, rank, whitening)
  const { at, value } = await descended(form, (smooth) => begun(smooth, start), sharper)
  let factors = form.factors(at)
  if (value < far * loss) {
    const fine = factorForm(sites, rank, (site) => whitening(site, sharp))
    factors = fine.factors((await descended(fine, async () => fine.numbersOf(factors), enough)).at)
  }
  const changes = changesOf(sites, factors)
  return { found: await smallestScale(searched, changes, look, factors), reached: form.numbersOf(factors) }
}

/** λ falls by this factor until what is wanted is reached, at most so often. */
const [fall, falls] = [4, 8]
/** Steps for each λ at least. */
const leastSteps = 10

/** The change with completions that has a small norm: λ falls until they are said, or the budget is spent. */
async function cheapest(search: Ranking, sites: readonly Site[], rank: number, start: Float64Array): Promise<Reached> {
  const { searched, aim, loss, steps, look, success, whitening, holdTo } = search
  const form = factorForm(sites, rank, whitening)
  let [at, lambda, weight] = [start, search.lambda, loss]
  const brief = Math.min(steps, Math.max(leastSteps, Math.ceil(steps / 4)))
  const descended = async (lambda: number, from: Float64Array) => {
    const smooth = factorLoss(searched, form, { ...aim, lambda, weight, holdTo } satisfies FactorAim)
    const { at } = await descendFactors(smooth, await begun(smooth, from), brief, stepOf(search))
    await searched.put(form.changes(at))
    return { at, decided: await look() }
  }
  let best: { at: Float64Array } | undefined
  let bound = 0
  for (let turn = 0; turn < falls; turn++) {
    const tried = await descended(lambda, at)
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
  if (best) {
    const tried = await descended(lambda * Math.sqrt(fall), best.at)
    if (tried.decided.meets) best = tried
  }
  const reached = best?.at ?? at
  const factors = form.factors(reached)
  return { found: await smallestScale(searched, changesOf(form.sites, factors), look, factors), reached }
}

/** A place to begin at: numbers, made smaller until they lower the value. */
export async function begun(smooth: Smooth, numbers: Float64Array): Promise<Float64Array> {
  const { value } = await smooth(new Float64Array(numbers.length))
  let at = numbers
  for (let by = 1; by > 1e-4; by /= 3) {
    at = numbers.map((x) => by * x)
    if ((await smooth(at)).value < value) break
  }
  return at
}
