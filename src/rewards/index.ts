export type { Reward, RewardRow, Scored } from './reward.ts'
