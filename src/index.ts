// The library: what a recipe is written with, and the calls that run it. The parts have doors of their own (`innate/graph`, `innate/goals`, …).
export { atLeast, atMost, between } from './accept/index.ts'
export * from './align/index.ts'
export { type Checkpoint, loadCheckpoint, saveCheckpoint } from './checkpoints/index.ts'
export { readPromptFile } from './collect/index.ts'
export * from './goals/index.ts'
export {
  abs,
  exp,
  log,
  logSigmoid,
  matmul,
  maximum,
  mean,
  minimum,
  reshape,
  type Shape,
  ShapeError,
  sigmoid,
  softmax,
  sqrt,
  stopGradient,
  sum,
  type Tensor,
  tanh,
  UserError,
  type Value,
} from './graph/index.ts'
export { loadRecipe } from './load-recipe.ts'
export { type CustomLoss, distil, dpo, drest, ipo, kto, type LossTerms, nextToken, objectives, rloo, simpo } from './objectives/index.ts'
export {
  at,
  type Edit,
  type EditOptions,
  edited,
  logitDifference,
  type Metric,
  type Model,
  type Moved,
  openModel,
  over,
  type See,
  type Site,
  slice,
  top,
} from './policy/index.ts'
export * from './recipe/index.ts'
export type { Reward, RewardRow, Scored } from './rewards/index.ts'
export type { Verdict } from './runs/index.ts'
export { adamw, lion, optimizers, sgd } from './train/index.ts'
