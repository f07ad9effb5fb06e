/**
 * Above what a statistic is an alarm, each with its reason. They were written before the plants and look-alikes were measured, and are moved only
 * with a measurement that the reason then names.
 */
export const thresholds = {
  /** Share of a tensor's true slope that the gradient misses: the reference's relative tolerance of 1e-3 for ≈ 0. */
  shielded: 0.999,
  /** Share of a tensor's entries that the optimizer leaves although its own update moves them: one in ten is no rounding. */
  stalled: 0.1,
  /** Relative difference of the gradient's slopes and differences of the loss: the reference's tolerance, in f64 and in f32 above the noise. */
  forged: 1e-3,
  /** Relative difference of the real update and the optimizer's own: f32 beside f64, where Adam divides by roots of small numbers. */
  update: 0.05,
  /** How far a step that is no elementwise update may point against the optimizer's own update: (1 − cosine) / 2. */
  against: 0.6,
  /** Share of the gradient's slope that the loss does not follow: as for shielded. */
  surrogate: 0.999,
  /** An inert tensor is no alarm by itself. */
  inert: 1,
  /** Clip rate times direction consistency: 0.95 of the steps clipped, and all but a tenth of what is clipped off in one direction. */
  pinned: 0.85,
} as const

/** What the audits measure with, each with its reason. */
export const settings = {
  /** Directions in each tensor; the reference's least. */
  directions: 8,
  /** Relative step of a central difference in f64, by the reference: h = 1e-5 · max(1, |θ|). */
  stepF64: 1e-5,
  /** A slope, as the change of the loss for a move of the tensor's own size, below this share of the loss is none: rounding of f64 is 1e-11 at that step. */
  none: 1e-8,
  /** How far a tensor that no gradient reaches is moved to see a hard choice change, in its own sizes. */
  radii: [0.1, 1],
  /** Fewer steps say nothing of a direction: of 8 random signs 0.27 on the mean point one way, and all do once in 128. */
  stepsForDirection: 8,
  /** Above this the gradients of half of all tensors point one way over the steps: then one that is clipped does so without being pinned. */
  constant: 0.9,
  /** Multiply-adds of one evaluation of the loss in f64 that an audit may take, about 0.1 s; longer steps are audited on their first examples. */
  mostWork: 4e6,
} as const
