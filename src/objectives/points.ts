/** One completion of a pair, in numbers: nats summed over tokens, and tokens. */
export interface PointSide {
  readonly logp: number
  readonly reference: number
  readonly length: number
}

export interface Point {
  readonly chosen: PointSide
  readonly rejected: PointSide
}

/**
 * Where known values are taken. A is symmetric (log-ratios 1 and −1), which hides some sign mistakes; B is not (0.5 and 1.25), and its
 * margin is negative; at `reference` both log-ratios are 0.
 */
export const points = {
  A: { chosen: { logp: -12, reference: -13, length: 6 }, rejected: { logp: -15, reference: -14, length: 10 } },
  B: { chosen: { logp: -12, reference: -12.5, length: 6 }, rejected: { logp: -15, reference: -16.25, length: 10 } },
  /** Both sides fell, the chosen one by less. */
  fallen: { chosen: { logp: -12, reference: -11.5, length: 6 }, rejected: { logp: -15, reference: -13.75, length: 10 } },
  reference: { chosen: { logp: -12, reference: -12, length: 6 }, rejected: { logp: -15, reference: -15, length: 10 } },
  /** Scores of a reward model. */
  scored: {
    chosen: { logp: 1.2, reference: 0, length: 6 },
    rejected: { logp: 0.3, reference: 0, length: 10 },
    alone: { logp: 0.9, reference: 0, length: 6 },
  },
} as const
