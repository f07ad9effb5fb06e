export { bestOfN, bestOfNBound, klOf } from './best-of-n.ts'
export { bestOfSample } from './best-of-sample.ts'
export { bestOfNLaw, type FittedLaw, fitLaw, type GoldPeak, type OverOptimisationLaw, policyGradientLaw } from './over-optimisation.ts'
export type { Reward, RewardRow, Scored } from './reward.ts'
