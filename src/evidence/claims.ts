import { bits } from './bits.ts'
import type { Claim } from './claim.ts'
import { credit } from './credit/credit.ts'
import { gradientHacking } from './gradient-hacking/gradient-hacking.ts'
import { hills } from './hills/hills.ts'
import { innateReward } from './innate-reward/innate-reward.ts'
import { leftTurn } from './left-turn/left-turn.ts'
import { misgeneralisation } from './misgeneralisation/misgeneralisation.ts'
import { misgeneralisationStories } from './misgeneralisation/misgeneralisation-stories.ts'
import { overOptimisation } from './over-optimisation/over-optimisation.ts'
import { security } from './security/security.ts'
import { weakPrior } from './weak-prior/weak-prior.ts'
import { weirdness } from './weirdness/weirdness.ts'

/** Every claim that is tested, by its name. */
export const claims: readonly Claim[] = [leftTurn, misgeneralisation, hills, weirdness, gradientHacking, weakPrior, innateReward, bits, security, credit, misgeneralisationStories, overOptimisation] // biome-ignore format: one line
