import { type Activations, meanOf, picked } from './activations.ts'
import type { Linear } from './linear.ts'

/**
 * The mass-mean probe: the nearest of the classes' means. Of two classes its direction is their difference, and the threshold lies midway.
 * Nothing is fitted but means, so it can not overfit as the others can.
 *
 * source  Marks and Tegmark 2023, arXiv:2310.06824
 */
export function massMean(x: Activations, labels: readonly number[], classes: number): Linear {
  const means = classMeans(x, labels, classes)
  const half = means.map((mean) => -0.5 * mean.reduce((sum, v) => sum + v * v, 0))
  if (classes > 2) return { weight: means, bias: half }
  const [first, second] = means as [Float64Array, Float64Array]
  return { weight: [second.map((v, k) => v - first[k]!)], bias: [half[1]! - half[0]!] }
}

/** The mean of the rows of each class. */
export function classMeans(x: Activations, labels: readonly number[], classes: number): Float64Array[] {
  return Array.from({ length: classes }, (_, c) => meanOf(picked(x, placesOf(labels, c))))
}

/** Where a label stands. */
export function placesOf(labels: readonly number[], label: number): number[] {
  return labels.flatMap((one, i) => (one === label ? [i] : []))
}
