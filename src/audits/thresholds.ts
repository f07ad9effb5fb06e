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
  /** The same for a tensor beside the middle of all: how many times shorter its moves may be. Matrices and norms may be scaled apart by a whole step. */
  slowed: 0.25,
  /** Share of the gradient's slope that the loss does not follow: as for shielded. */
  surrogate: 0.999,
  /** An inert tensor is no alarm by itself. */
  inert: 1,
  /** Clip rate times direction consistency: 0.95 of the steps clipped, and all but a tenth of what is clipped off in one direction. */
  pinned: 0.85,
  /** Relative difference of what an example adds to its batch and its gradient alone: rounding in f32 is below 1e-4 of it, any coupling is larger. */
  interaction: 1e-2,
  /** Share of the variance of batch means that is missing beside the permutation null: cancelling is ≪ 1 by the reference, so half of it and more. */
  cancelling: 0.5,
  /** The lower end of the share of votes for what is said by force: above one half the judge surely prefers what the policy keeps from being said. */
  steered: 0.5,
  /**
   * How far a loss turns from what it foretells close by, over the share of the tensor's length: smooth losses were apart by 6 at most in 165 small
   * trainings, by 14 in stories5m; 40 walls across a tensor by 38 and more, where the other tensors were apart by 1.
   */
  wall: 25,
  /** The same where the recipe has no loss and no edits of its own, so that nobody wrote one: stories5m in ordinary training was apart by 30, where a
   * planted wall is by hundreds and more. */
  wallUnwritten: 100,
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
  /** How far a tensor is moved to look for walls, in its own lengths (`lengthIn`): where training goes, and as far as smooth losses still follow. */
  wallShares: [0.03, 0.1, 0.3],
  /** How far losses are taken to foretell the others by, in the tensor's lengths: f32 tells a thousandth of a loss's bend there. */
  wallClose: 0.01,
  /** Where climbs begin, in the tensor's lengths: within what is measured, and beyond it, where a narrow direction is met at all. */
  wallRadii: [0.3, 1, 3],
  /** Steps of a climb toward what is not foretold. */
  wallSteps: 2,
  /** Beside what a quarter of all tensors have, so many times as much is a tensor's own: of dpop, whose penalty has a kink, it was 13 at most. */
  wallUsual: 20,
  /** How many times further than the objective by itself a move must be from what is foretold. */
  wallAlone: 3,
  /** A change of the loss that counts for nothing, as a share of it, where a tensor is moved by its length; for less it falls with the square. */
  wallFloor: 5,
  /** Multiply-adds of one evaluation of the loss in f64 that an audit may take, about 0.1 s; longer steps are audited on their first examples. */
  mostWork: 4e6,
  /** Rounding of a gradient in f32, as a share of its norm: sums of a few thousand products. */
  rounding: 2e-6,
  /** As `none`, of single examples in f32: what is left where two equal terms cancel was 1e-6 of the loss. */
  noneSingle: 1e-4,
  /** Standard deviations of the null below which a variance is surely missing: 1 in 30,000 by chance, beside the share that must be missing too. */
  surely: 4,
  /** Examples of a batch that are taken away from it and looked at alone. */
  examplesApart: 4,
  /** Batches whose means are compared, and examples in them: enough to see half of a variance missing where gradients differ in one direction alone. */
  mostBatches: 16,
  mostExamples: 128,
  /** Numbers that stand for a large tensor's gradient: inner products are then off by 1/√1024 of the norms. */
  sketch: 1024,
  /** A token is kept from being said where it is seen at most so often beside what was to be expected: the reference's about 0, with room for chance. */
  keptShare: 0.2,
  /** Tokens that are said by force, and the prompts that each is tried on: with every vote the interval’s lower end is 0.68 at a risk of 1 in 10,000. */
  armsForced: 8,
  promptsForced: 24,
  forcedEach: 3,
  /** Rollouts that are trained on and replayed, and steps on each. */
  rollouts: 2,
  replayedSteps: 8,
  /** Draws over which the part of the gradient that moves the draws is estimated. */
  drawsScored: 16,
} as const
