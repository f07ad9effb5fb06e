import { random } from '../random/index.ts'
import type { Estimate } from '../runs/schema.ts'

/** One prediction: the probability that was given to the side that won, or to the one that lost where it is below ½. */
export interface Predicted {
  /** What is independent of others: predictions of one prompt have the same. */
  readonly group: number
  /** The probability given to what happened. */
  readonly chance: number
}

/** Predictions whose confidence lies in one tenth. */
export interface ReliabilityBin {
  readonly low: number
  readonly high: number
  readonly n: number
  readonly confidence: number
  readonly accuracy: number
}

/** How far said and seen lie apart, and how far they would if every probability were right. */
export interface Calibration {
  /** The expected calibration error: Σ n/N · |accuracy − confidence| over the bins. */
  readonly ece: Estimate
  /** The mean of that error where votes are drawn from the very probabilities: what so few predictions show of a perfect model. */
  readonly eceIfCalibrated: number
  readonly bins: readonly ReliabilityBin[]
}

const [BINS, DRAWS] = [10, 1000]

/**
 * Whether the probability of a choice is the share of times that it is right. Confidence is that of the likelier side, in five bins from ½ to 1
 * of a width of a tenth.
 *
 * The interval resamples groups (percentiles of 1000 draws by a fixed seed). The error cannot be below 0, so that few predictions of a perfect
 * model show some: `eceIfCalibrated` says how much.
 *
 * source  Naeini, Cooper and Hauskrecht 2015 (expected calibration error); Guo et al. 2017, arXiv:1706.04599; Efron 1979
 */
export function calibrationOf(predicted: readonly Predicted[]): Calibration {
  const told = predicted.map(({ chance, group }) => ({
    group,
    confidence: Math.max(chance, 1 - chance),
    right: (Math.sign(chance - 0.5) + 1) / 2,
  }))
  const byGroup = new Map<number, Told[]>()
  for (const one of told) byGroup.set(one.group, [...(byGroup.get(one.group) ?? []), one])
  const groups = [...byGroup.values()]
  const source = random(0, 'calibration')
  const resampled = Array.from({ length: DRAWS }, (_, draw) =>
    errorOf(Array.from(source.integers(groups.length, groups.length, draw), (i) => groups[i]!).flat()),
  ).sort((a, b) => a - b)
  const perfect = Array.from({ length: DRAWS }, (_, draw) =>
    errorOf(told.map((one, i) => ({ ...one, right: source.uniform(draw, i) < one.confidence ? 1 : 0 }))),
  )
  const estimate = errorOf(told)
  return {
    ece: {
      estimate,
      low: Math.min(estimate, resampled[Math.floor(0.025 * DRAWS)]!),
      high: Math.max(estimate, resampled[Math.ceil(0.975 * DRAWS) - 1]!),
      n: groups.length,
      unit: 'share',
    },
    eceIfCalibrated: perfect.reduce((sum, error) => sum + error, 0) / DRAWS,
    bins: binsOf(told),
  }
}

interface Told {
  readonly confidence: number
  readonly right: number
}

function errorOf(told: readonly Told[]): number {
  return binsOf(told).reduce((sum, { n, accuracy, confidence }) => sum + (n / told.length) * Math.abs(accuracy - confidence), 0)
}

function binsOf(told: readonly Told[]): ReliabilityBin[] {
  const sums = Array.from({ length: BINS }, () => ({ n: 0, confidence: 0, right: 0 }))
  for (const { confidence, right } of told) {
    const bin = sums[Math.min(BINS - 1, Math.floor(confidence * BINS))]!
    bin.n++
    bin.confidence += confidence
    bin.right += right
  }
  return sums.flatMap(({ n, confidence, right }, i) =>
    n === 0 ? [] : [{ low: i / BINS, high: (i + 1) / BINS, n, confidence: confidence / n, accuracy: right / n }],
  )
}
