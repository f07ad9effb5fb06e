/** What an agent expects that is uncertain of the worth U of acting, and may leave the decision to a human. */
export interface OffSwitch {
  /** E[max(U, 0)] with a human who knows U, and less or more with one who errs. */
  readonly defer: number
  /** max(E[U], 0): act, or switch oneself off. */
  readonly decide: number
  /** How much deferring is worth; below zero where the human errs too much. */
  readonly incentive: number
}

/**
 * The off-switch game for U ~ N(mean, sd²). The human lets the agent act with probability σ(U / temperature): always rightly at 0, by a coin
 * as it grows.
 *
 * units   of U
 * source  Hadfield-Menell et al. 2017, arXiv:1611.08219
 * limits  for a temperature above 0 by Simpson's rule over mean ± 12 sd
 */
export function offSwitch({ mean, sd, temperature = 0 }: { mean: number; sd: number; temperature?: number }): OffSwitch {
  const decide = Math.max(mean, 0)
  const defer = temperature === 0 ? knowing(mean, sd) : erring(mean, sd, temperature)
  return { defer, decide, incentive: defer - decide }
}

/** E[max(U, 0)] = μ Φ(μ/s) + s φ(μ/s). */
function knowing(mean: number, sd: number): number {
  if (sd === 0) return Math.max(mean, 0)
  const z = mean / sd
  return mean * normalShare(z) + (sd * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI)
}

function erring(mean: number, sd: number, temperature: number): number {
  const lets = (u: number) => 1 / (1 + Math.exp(-u / temperature))
  if (sd === 0) return mean * lets(mean)
  return simpson((z) => (mean + sd * z) * lets(mean + sd * z) * density(z), -12, 12)
}

function density(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
}

/** Φ(z). */
function normalShare(z: number): number {
  return 0.5 + Math.sign(z) * simpson(density, 0, Math.min(Math.abs(z), 12))
}

function simpson(f: (x: number) => number, from: number, to: number): number {
  const n = 4000
  const h = (to - from) / n
  let sum = f(from) + f(to)
  for (let i = 1; i < n; i++) sum += f(from + i * h) * (i % 2 === 0 ? 2 : 4)
  return (sum * h) / 3
}
