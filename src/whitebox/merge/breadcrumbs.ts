import { addDeltas, deltaParameters, keepOnly } from './deltas.ts'
import { mergeMethod } from './method.ts'
import { entryAt, sizes } from './order.ts'

const parameters = {
  ...deltaParameters({ normalize: false, rescale: false }),
  gamma: { of: 'other', kind: 'number', default: 0.01, about: 'share of the largest entries that are dropped first' },
} as const

/** Task vectors without their smallest and without their very largest entries, added. */
export const breadcrumbs = breadcrumbsMethod('breadcrumbs', 'base + λ Σ w·δ of entries that are neither smallest nor largest', false)

/** The same with signs elected as in TIES. */
export const breadcrumbsTies = breadcrumbsMethod('breadcrumbs_ties', 'as breadcrumbs, of those δ that have the elected sign', true)

function breadcrumbsMethod(name: string, about: string, elect: boolean) {
  return mergeMethod({
    ...{ name, about, source: 'Davari and Belilovsky 2023, arXiv:2312.06795, section 3' },
    ...{ base: 'needed', models: { least: 1 }, parameters },

    merge(given, values) {
      if (given.others.length === 0) return given.base!
      const scales = given.others.map((x, m) => keepMiddle(x, given.base!, values.density[m]!, values.gamma[m]!, values.rescale))
      return addDeltas(given, values, elect, scales)
    },
  })
}

/** Keeps a run of entries in ascending order of size: after it the largest, as many as there is room for, before it all others. */
function keepMiddle(x: Float32Array, base: Float32Array, density: number, gamma: number, rescale: boolean): number {
  if (density >= 1) return 1
  const n = x.length
  const kept = Math.trunc(density * n)
  if (kept <= 0) return keepOnly(x, base, false, () => false)
  const first = Math.max(0, n - kept - Math.trunc(gamma * n))
  const size = sizes(x, base)
  const low = entryAt(size, first)
  const high = first + kept < n ? entryAt(size, first + kept) : { value: Number.POSITIVE_INFINITY, smaller: 0 }
  let [seenLow, seenHigh] = [low.smaller, high.smaller]
  return keepOnly(x, base, rescale, (i) => {
    const at = size[i]!
    // Equal entries are in the order in which they lie.
    if (at === high.value) {
      const rank = seenHigh++
      return rank >= first && rank < first + kept
    }
    if (at === low.value) return seenLow++ >= first
    return at > low.value && at < high.value
  })
}
