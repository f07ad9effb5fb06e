import { meanInterval } from '../accept/index.ts'
import type { Estimate } from '../runs/index.ts'

/**
 * Σ tops / Σ bottoms over texts, with the interval of its linearised values: each text's own, top − ratio · bottom, over the mean bottom.
 *
 * throws  UserError with fewer than two texts
 * source  Cochran 1977, Sampling Techniques, section 6.3
 * limits  texts are independent, tokens of one text are not and need not be
 */
export function ratioInterval(name: string, tops: readonly number[], bottoms: readonly number[], unit: string): Estimate {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const below = sum(bottoms)
  const ratio = below === 0 ? 0 : sum(tops) / below
  const size = below / bottoms.length || 1
  return meanInterval(name, tops.map((top, i) => ratio + (top - ratio * bottoms[i]!) / size), unit) // biome-ignore format: one line
}
