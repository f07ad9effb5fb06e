export { bestOfN, bestOfNBound, klOf } from './best-of-n.ts'
export { bestOfSample } from './best-of-sample.ts'
export { type CommandRewardOptions, commandReward } from './command-reward.ts'
export { centerOf, difference, endFeatures, type Features, lessCenter, scoresOf } from './end-features.ts'
export { type Aggregation, aggregate, aggregations } from './ensemble.ts'
export { type FolderRewardOptions, folderReward } from './folder-reward.ts'
export {
  type Belief,
  type ComparedFeatures,
  type FrozenHead,
  type FrozenRewardOptions,
  frozenReward,
  joined,
  learnHead,
} from './frozen-reward.ts'
export { goalsReward } from './goals-reward.ts'
export { type Compared, type HeadOptions, type HeadPosterior, headPosterior, varianceAt, winChance } from './head-posterior.ts'
export { keptReward } from './kept-reward.ts'
export { lowerConfidence } from './lower-confidence.ts'
export { type NetworkPosterior, networkMarginVariances, networkPosterior, networkVariances } from './network-posterior.ts'
export { openEnsemble } from './open-ensemble.ts'
export { openRewardModel, type RewardModel } from './open-reward-model.ts'
export { bestOfNLaw, type FittedLaw, fitLaw, type GoldPeak, type OverOptimisationLaw, policyGradientLaw } from './over-optimisation.ts'
export { type KeptPosterior, readPosterior, writePosterior } from './posterior-file.ts'
export { checkScored, MiscountedRewards, type OnScored, promptText, type Reward, type RewardRow, type Scored } from './reward.ts'
export { rewardJudge } from './reward-judge.ts'
export { rowSample } from './row-sample.ts'
export { type SaidIds, saidFeatures } from './said-features.ts'
export { tangentFeatures } from './tangent-features.ts'
export { upToPadding, withHead } from './with-head.ts'
