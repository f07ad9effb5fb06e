import { cholesky, inverseOf, lowerSolve, lowerTransposedSolve } from './cholesky.ts'
import { centerOf, type Features, lessCenter } from './end-features.ts'
import type { Compared } from './head-posterior.ts'

/**
 * What a trained reward model knows of its scores, all its weights taken into account: a Gaussian over a linear model of how scores move with them.
 * `factor`·factorᵀ is its covariance.
 */
export interface NetworkPosterior {
  /** Rows of the factor, one after the other; what is above the diagonal is 0. */
  readonly factor: Float64Array
  /** The mean tangent feature of what was compared. */
  readonly center: Float64Array
  /** The mean square of how far a compared text lies from there. */
  readonly spread: number
  /** Standard deviation of a score before any vote, mean over the widths that the votes leave likely. */
  readonly prior: number
  /** Whether a last feature, 1 for every text, is that of all scores together: where texts were judged one by one. */
  readonly intercept?: true
}

/** Texts that were compared two by two, by their tangent features, and the share of the votes for the first of each two. */
export interface ComparedTexts {
  readonly features: Features
  readonly shares: readonly number[]
  /** What the trained network says of what was compared: differences of scores, or scores where each text was judged by itself. units log-odds */
  readonly margins: readonly number[]
  /** Each text was judged by itself: a share is that of the votes for it. */
  readonly alone?: boolean
}

/** Likely widths of the prior are sought from 1 on by factors of 2. units log-odds */
const farthest = 8
/** Nats of evidence below the most at which a width no longer counts. */
const unlikely = 5

/**
 * Laplace's posterior of the linearised network: Bradley–Terry votes on w·x, with x the difference of two tangent features, w ~ N(0, s²I). A text's
 * feature is taken from their centre and brought to the length 1, so that before any vote no score is surer than another. Each s weighs
 * what the evidence of the votes says of it. Of texts that were judged one by one x is such a feature with a 1 behind it, and the doubt is of the
 * score itself. s is half-normal, with three times the scale at which the prior expects margins as large as the trained ones (at least 1): where rows are told
 * apart without an error, evidence bounds no width from above, and without it doubt would be as large as the widest that is tried.
 *
 * units   scores in log-odds
 * source  Immer et al. 2021, arXiv:2008.08216 (linearised); Yang et al. 2023, arXiv:2308.13111; Yang et al. 2024, arXiv:2402.13210; half-normal widths: Gelman 2006, Prior distributions for variance parameters
 */
export function networkPosterior(trained: ComparedTexts): NetworkPosterior {
  const { features, shares, margins, alone } = trained
  const p = features.width + (alone ? 1 : 0)
  const center = centerOf(features)
  const scale = { center, spread: spreadOf(features, center), ...(alone ? { intercept: true as const } : {}) }
  const unit = (i: number) => unitFeature(scale, features, i)
  const compared = shares.map((q, i) => ({ x: alone ? unit(i) : minus(unit(2 * i), unit(2 * i + 1)), q }))
  const likely = likelyWidths(compared, p, scaleOf(compared, margins))
  const total = likely.reduce((sum, { weight }) => sum + weight, 0)
  const ways = likely.map(({ s, weight, w, lower }) => ({ s, weight: weight / total, w, inverse: inverseOf(lower, p) }))
  const mean = new Float64Array(p)
  for (const { weight, w } of ways) for (let k = 0; k < p; k++) mean[k]! += weight * w[k]!
  const covariance = new Float64Array(p * p)
  for (const { weight, w, inverse } of ways)
    for (let i = 0; i < p; i++)
      for (let j = 0; j <= i; j++) covariance[i * p + j]! += weight * (inverse[i * p + j]! + (w[i]! - mean[i]!) * (w[j]! - mean[j]!))
  const prior = Math.exp(ways.reduce((sum, { s, weight }) => sum + weight * Math.log(s), 0))
  return { factor: cholesky(covariance, p), ...scale, prior }
}

/** A text's feature from the centre, of length 1, and shorter only where it lies close to there; and the intercept's, where there is one. */
export function unitFeature(
  { center, spread, intercept }: Pick<NetworkPosterior, 'center' | 'spread' | 'intercept'>,
  features: Features,
  i: number,
): Float64Array {
  const away = lessCenter(features, i, center)
  const length = Math.sqrt(dot(away, away) + NEAR * spread)
  const unit = length > 0 ? away.map((each) => each / length) : away
  return intercept ? Float64Array.of(...unit, 1) : unit
}
const NEAR = 1e-3

/**
 * The variance of a score against that of the centre (with an intercept, of the score itself), or, with the difference of two unit features, of a difference of scores.
 *
 * units   log-odds²
 */
export function networkVariance({ factor }: NetworkPosterior, x: Float64Array): number {
  const p = x.length
  const along = new Float64Array(p)
  for (let i = 0; i < p; i++) {
    const each = x[i]!
    if (each !== 0) for (let j = 0, row = i * p; j <= i; j++) along[j]! += factor[row + j]! * each
  }
  return dot(along, along)
}

/** The variances of the differences of every two texts. */
export function networkMarginVariances(posterior: NetworkPosterior, features: Features): number[] {
  const unit = (i: number) => unitFeature(posterior, features, i)
  return Array.from({ length: features.count / 2 }, (_, i) => networkVariance(posterior, minus(unit(2 * i), unit(2 * i + 1))))
}

/** The variances of the scores of texts. */
export function networkVariances(posterior: NetworkPosterior, features: Features): number[] {
  return Array.from({ length: features.count }, (_, i) => networkVariance(posterior, unitFeature(posterior, features, i)))
}

function spreadOf(features: Features, center: Float64Array): number {
  let sum = 0
  for (let i = 0; i < features.count; i++) {
    const away = lessCenter(features, i, center)
    sum += dot(away, away) / features.count
  }
  return sum
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((each, k) => each - b[k]!)
}

/** Votes shrink what is learned, so the width may well be some times larger than the margins say. */
const WIDE = 3

/** WIDE times the width at which the prior expects the mean square of the margins. */
function scaleOf(compared: readonly Compared[], margins: readonly number[]): number {
  const expected = compared.reduce((sum, { x }) => sum + dot(x, x), 0)
  const said = margins.reduce((sum, each) => sum + each * each, 0)
  return WIDE * Math.sqrt(Math.max(1, expected > 0 ? said / expected : 0))
}

interface Fit {
  /** The most probable weights. */
  readonly w: Float64Array
  /** The factor of H = I/s² + Σ σ′ x xᵀ there. */
  readonly lower: Float64Array
  /** Less what no width changes. */
  readonly logEvidence: number
}

/** The widths that votes leave likely, each with its posterior. */
function likelyWidths(compared: readonly Compared[], p: number, scale: number) {
  const known = new Map<number, Fit & { s: number; evidence: number }>()
  const at = (step: number, start?: Float64Array) => {
    const before = known.get(step)
    if (before) return before
    const s = 2 ** step
    const fit = fitAt(compared, s, p, start)
    const made = { ...fit, s, evidence: fit.logEvidence + Math.log(s) - s ** 2 / (2 * scale ** 2) }
    known.set(step, made)
    return made
  }
  // Widths lie evenly by their logarithm, so that the density of s is taken times s.
  let most = at(0).evidence
  for (const way of [1, -1])
    for (let step = way; Math.abs(step) <= farthest; step += way) {
      const { evidence } = at(step, at(step - way).w)
      most = Math.max(most, evidence)
      if (evidence < most - unlikely) break
    }
  return [...known.values()].flatMap(({ evidence, ...fit }) =>
    evidence > most - unlikely ? [{ ...fit, weight: Math.exp(evidence - most) }] : [],
  )
}

/** Newton's steps to the most probable weights, and Laplace's evidence there. */
function fitAt(compared: readonly Compared[], s: number, p: number, start: Float64Array = new Float64Array(p)): Fit {
  let w = start
  let reached = logPosterior(compared, s, w)
  for (let round = 0; ; round++) {
    const { slope, precision } = secondOrder(compared, s, w)
    const lower = cholesky(precision, p)
    const step = lowerTransposedSolve(lower, lowerSolve(lower, slope))
    if (dot(slope, step) < 1e-6 || round === 50) {
      let logEvidence = reached - p * Math.log(s)
      for (let i = 0; i < p; i++) logEvidence -= Math.log(lower[i * p + i]!)
      return { w, lower, logEvidence }
    }
    // The log posterior is concave, so halving a step that overshoots ends.
    for (let scale = 1; scale > 1e-6; scale /= 2) {
      const next = w.map((each, k) => each + scale * step[k]!)
      const value = logPosterior(compared, s, next)
      if (value < reached && scale > 2e-6) continue
      w = next
      reached = value
      break
    }
  }
}

function logPosterior(compared: readonly Compared[], s: number, w: Float64Array): number {
  return compared.reduce(
    (sum, { x, q }) => {
      const margin = dot(x, w)
      return sum + q * margin - Math.max(margin, 0) - Math.log1p(Math.exp(-Math.abs(margin)))
    },
    -dot(w, w) / (2 * s * s),
  )
}

/** The slope of the log posterior, and its curvature with the sign turned. */
function secondOrder(compared: readonly Compared[], s: number, w: Float64Array) {
  const p = w.length
  const slope = w.map((each) => -each / (s * s))
  const precision = new Float64Array(p * p)
  for (const { x, q } of compared) {
    const chance = 1 / (1 + Math.exp(-dot(x, w)))
    const weight = chance * (1 - chance)
    for (let i = 0; i < p; i++) {
      slope[i]! += (q - chance) * x[i]!
      const scaled = weight * x[i]!
      if (scaled !== 0) for (let j = 0, row = i * p; j <= i; j++) precision[row + j]! += scaled * x[j]!
    }
  }
  // A factor is made from the lower half alone.
  for (let i = 0; i < p; i++) precision[i * p + i]! += 1 / (s * s)
  return { slope, precision }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!
  return sum
}
