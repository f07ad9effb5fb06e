import { normalQuantile } from '../goals/special-functions.ts'
import { UserError } from '../graph/errors.ts'
import { edges, sayBound } from '../runs/bound.ts'
import type { Bound, Criterion, Estimate } from '../runs/schema.ts'
import { tail } from './mean-interval.ts'

/** Demands that a measure is x or more, with its whole 95 % interval. */
export const atLeast = (x: number): Bound => ({ atLeast: x })

/** Demands that a measure is x or less, with its whole 95 % interval. */
export const atMost = (x: number): Bound => ({ atMost: x })

/** Demands that a measure lies from low to high, with its whole 95 % interval. */
export const between = (low: number, high: number): Bound => ({ between: [low, high] })

/**
 * Holds measures against bounds. A criterion is met when the whole interval is on the good side of its bound: `atLeast` by the low end,
 * `atMost` by the high end, `between` by both; so "met" is a claim with at most 2.5 % risk on each side. A model is accepted only when
 * all criteria are met at once (an intersection–union test), so their number needs no correction. Where the interval is not to be
 * relied on (`cannotTell`), the criterion is not met and says why.
 *
 * throws  UserError when a criterion names something that was not measured
 * source  Berger 1982 for the intersection–union test
 */
export function judgeCriteria(bounds: Readonly<Record<string, Bound>>, measures: Readonly<Record<string, Estimate>>): Criterion[] {
  return Object.entries(bounds).map(([name, bound]) => {
    const measured = measures[name]
    if (measured === undefined) {
      const known = Object.keys(measures).join(', ')
      throw new UserError(`accept.${name}: a criterion must name a measure, got ${name}; choose from ${known}`)
    }
    const { met, why } = judge(name, measured, bound)
    return { name, ...measured, bound, met, why }
  })
}

function judge(name: string, measured: Estimate, bound: Bound): { met: boolean; why: string } {
  const { estimate, low, high, n, unit } = measured
  const [from, to] = edges(bound)
  const seen = `${name} is ${show(estimate, unit)} [${show(low, unit)}, ${show(high, unit)}]`
  const demand = `must be ${sayBound(bound, unit)}`
  if (estimate < from || estimate > to) return { met: false, why: `${seen} but ${demand}: missed` }
  if (measured.cannotTell !== undefined) return { met: false, why: `${seen} and ${demand}: cannot tell, because ${measured.cannotTell}` }
  if (low >= from && high <= to) return { met: true, why: `${seen} and ${demand}: met` }
  const needed = promptsToSettle(measured, [from, to])
  const more = Number.isFinite(needed) ? `; if the estimate holds, about ${needed} prompts in each look would settle it` : ''
  return { met: false, why: `${seen} and ${demand}: the interval crosses the bound with ${n} prompts${more}` }
}

/**
 * The number of prompts a look at which a bound is met in both looks with probability 0.8, if the truth is the estimate.
 *
 * A look is passed with probability √0.8 when the estimate lies (1.96 + Φ⁻¹(√0.8))/1.96 = 1.64 half-widths inside the bound, and half-widths
 * shrink with √n: so 2.68 times n where the interval now ends at the bound (one look alone: 2.04).
 *
 * limits  infinite where the estimate is at the bound
 */
export function promptsToSettle({ estimate, low, high, n }: Estimate, [from, to]: readonly [number, number]): number {
  const once = normalQuantile(1 - tail)
  const margin = (once + normalQuantile(Math.sqrt(0.8))) / once
  const ratio = Math.max((estimate - low) / (estimate - from), (high - estimate) / (to - estimate))
  return Math.ceil(n * (margin * ratio) ** 2)
}

function show(x: number, unit: string): string {
  return unit === 'share' ? x.toFixed(3) : String(Number(x.toPrecision(3)))
}
