import { meanInterval } from '../accept/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type Activations, deviationOf, meanOf, oneHot, picked } from './activations.ts'
import { erased, type LeaceOptions, leace } from './leace.ts'
import { classesOf, type Linear, scoresOf, unscaled } from './linear.ts'
import { logistic, logLoss } from './logistic.ts'

/** Which rows do what: places among all rows; those held out in groups of near duplicates, each counted once. */
export interface ErasureParts {
  /** The eraser is fitted on these. */
  readonly eraser: readonly number[]
  /** And the probe, once they are erased, on these: the same, or others. */
  readonly probe: readonly number[]
  readonly heldOut: readonly (readonly number[])[]
}

/** What a logistic probe reads of held-out rows. */
export interface ErasureScores {
  /** −log p of the label. */
  readonly loss: Estimate
  readonly accuracy: Estimate
}

/** A probe on rows as they were, one on erased rows, and what knows the shares of the labels alone. */
export interface AfterErasure {
  readonly before: ErasureScores
  readonly after: ErasureScores
  readonly baseRate: ErasureScores
  /** Loss of the base rate less that of the probe on erased rows, row by row: what is still read of the concept. */
  readonly stillRead: Estimate
}

/**
 * What a linear probe still finds of a concept once it is erased, on rows that neither the eraser nor the probe was fitted on.
 *
 * units   losses in nats
 * throws  UserError with fewer than two held-out groups
 * limits  a probe fitted on the eraser's own rows is the constant by construction; one fitted on others finds what the eraser's estimate missed
 * source  Belrose et al. 2023, arXiv:2306.03819
 */
export function afterErasure(
  x: Activations,
  labels: readonly number[],
  classes: number,
  parts: ErasureParts,
  options: LeaceOptions = {},
): AfterErasure {
  const of = (places: readonly number[]) => places.map((i) => labels[i]!)
  const eraser = leace(picked(x, parts.eraser), oneHot(of(parts.eraser), classes), options)
  const gone = erased(eraser, x)
  const mine = of(parts.probe)
  const shares = Array.from({ length: classes }, (_, c) => mine.filter((label) => label === c).length / mine.length)
  const constant: Linear = {
    weight: shares.slice(classes === 2 ? 1 : 0).map(() => new Float64Array(x.d)),
    bias: classes === 2 ? [Math.log(shares[1]! / shares[0]!)] : shares.map(Math.log),
  }
  const [was, now, base] = [lossesOf(plainProbe(x, parts.probe, mine, classes), x), lossesOf(plainProbe(gone, parts.probe, mine, classes), gone), lossesOf(constant, gone)] // biome-ignore format: one line
  return {
    before: was.scores,
    after: now.scores,
    baseRate: base.scores,
    stillRead: meanInterval('still read', base.losses.map((loss, i) => loss - now.losses[i]!), 'nats'), // biome-ignore format: one line
  }

  function lossesOf(linear: Linear, on: Activations) {
    const read = parts.heldOut.map((group) => ({ scores: scoresOf(linear, picked(on, group)), labels: of(group) }))
    const losses = read.map((group) => logLoss(group.scores, group.labels))
    const right = read.map((group) => classesOf(group.scores).filter((said, i) => said === group.labels[i]).length / group.labels.length)
    return { losses, scores: { loss: meanInterval('loss', losses, 'nats'), accuracy: meanInterval('accuracy', right, 'share', [0, 1]) } }
  }
}

/** A logistic probe, features in standard deviations, every row with the same weight. */
export function plainProbe(x: Activations, places: readonly number[], labels: readonly number[], classes: number): Linear {
  const rows = picked(x, places)
  const mean = meanOf(rows)
  const deviation = deviationOf(rows, mean)
  const data = rows.data.map((value, i) => (value - mean[i % x.d]!) / deviation[i % x.d]!)
  return unscaled(logistic({ ...rows, data }, labels, classes, { l2: 1 }), mean, deviation)
}
