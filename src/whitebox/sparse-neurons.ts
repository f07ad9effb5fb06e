import { type Activations, deviationOf, meanOf, picked } from './activations.ts'
import { placesOf } from './mass-mean.ts'

/**
 * The k neurons whose means differ most between two classes, in standard deviations, the most different first. They must be chosen on the
 * part that is trained on: chosen on all rows they carry the held-out labels with them.
 *
 * source  Gurnee et al. 2023, arXiv:2305.01610 (maximum mean difference)
 */
export function neuronsOf(x: Activations, labels: readonly number[], k: number): number[] {
  const [first, second] = [0, 1].map((label) => meanOf(picked(x, placesOf(labels, label)))) as [Float64Array, Float64Array]
  const deviation = deviationOf(x, meanOf(x))
  const apart = first.map((mean, i) => Math.abs(second[i]! - mean) / deviation[i]!)
  return [...apart.keys()].sort((a, b) => apart[b]! - apart[a]! || a - b).slice(0, k)
}
