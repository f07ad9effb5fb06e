import { betaQuantile, logBeta } from '../goals/special-functions.ts'
import { tail } from './mean-interval.ts'

/** What looks at so many prompts can tell. */
export interface Power {
  /** The share that is asked for, and the truth that is to be told from it. */
  readonly bound: number
  readonly truth: number
  /** The probability that every look has its whole interval above the bound. */
  readonly probability: number
  /** How many prompts each look would need for a probability of 0.8. */
  readonly prompts: number
}

const wanted = 0.8
/** How far the truth lies above the bound, where there is room. */
const distance = 0.1

/**
 * The probability that looks at so many prompts each, one after the other, show a share above a bound when the truth is a tenth above it, by the
 * exact interval of yes and no. Looks at other prompts are independent.
 *
 * limits  ties, of which each counts ½, make intervals narrower and are left out
 * source  Clopper and Pearson 1934; the sum over the binomial law
 */
export function powerOf(bound: number, looks: readonly number[]): Power {
  const truth = Math.min(bound + distance, (1 + bound) / 2)
  const all = (prompts: readonly number[]) => prompts.reduce((product, n) => product * powerOfOne(bound, truth, n), 1)
  let prompts = 1
  // The power is no smooth function of n, so that a step back may be needed.
  while (all(looks.map(() => prompts)) < wanted && prompts < 100_000) prompts = Math.ceil(prompts * 1.1)
  while (prompts > 1 && all(looks.map(() => prompts - 1)) >= wanted) prompts--
  return { bound, truth, probability: all(looks), prompts }
}

/** The same as a sentence. */
export function sayPower(name: string, looks: readonly number[], { bound, truth, probability, prompts }: Power): string {
  const at = looks.length === 2 && looks[0] === looks[1] ? `both looks at ${looks[0]}` : `looks at ${looks.join(' and ')}`
  const more = probability < wanted ? `; have ${prompts} in each for ${wanted}` : ''
  return `${at} prompts tell a ${name} of ${round(truth)} from ${round(bound)} with probability ${round(probability)}${more}`
}

function powerOfOne(bound: number, truth: number, n: number): number {
  let fewest = Math.ceil(n * bound)
  while (fewest <= n && betaQuantile(fewest, n - fewest + 1, tail) < bound) fewest++
  let probability = 0
  for (let k = fewest; k <= n; k++) {
    const chosen = -Math.log(n + 1) - logBeta(n - k + 1, k + 1)
    probability += Math.exp(chosen + k * Math.log(truth) + (n - k) * Math.log1p(-truth))
  }
  return probability
}

function round(x: number): number {
  return Number(x.toPrecision(2))
}
