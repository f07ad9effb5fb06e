import { descendFactors, factorLoss } from './descend-factors.ts'
import { factorForm } from './factor-form.ts'
import type { Lbfgs, Smooth } from './lbfgs.ts'
import { begun, type Ranking } from './of-rank.ts'
import type { Site } from './sites.ts'
import { stepOf } from './sizes.ts'

/** Share of the texts that sites are compared on. */
const share = 1 / 3

/** Sites with what a descent begins at, the best one first. */
export async function bestSites(search: Ranking, starts: ReadonlyMap<Site, Float64Array>): Promise<{ site: Site; start: Float64Array }[]> {
  const { searched, aim, whitening, loss, steps } = search
  const each = [...starts].map(([site, start]) => ({ site, start }))
  if (each.length === 1) return each
  // What a site can reach shows once the norm costs little.
  const from = { ...aim, lambda: search.lambda / 16, weight: loss, holdTo: search.holdTo, share }
  const left: { site: Site; smooth: Smooth; at: Float64Array | Lbfgs; value: number }[] = []
  const out: typeof left = []
  for (const { site, start } of each) {
    const smooth = factorLoss(searched, factorForm([site], 1, whitening), from)
    left.push({ site, smooth, at: await begun(smooth, start), value: 0 })
  }
  while (left.length > 1) {
    for (const one of left) {
      one.at = await descendFactors(one.smooth, one.at, Math.max(6, Math.round(steps / 10)), stepOf(search))
      one.value = one.at.value
    }
    left.sort((a, b) => a.value - b.value)
    out.unshift(...left.splice(Math.ceil(left.length / 2)))
  }
  // A third of a teacher's texts is matched by other changes too, from which those of all texts are not reached.
  return [...left, ...out].map(({ site, at }) => ({ site, start: search.taught ? starts.get(site)! : (at as Lbfgs).at }))
}
