import { bits } from './bits.ts'
import type { Claim } from './claim.ts'
import { innateReward } from './innate-reward/innate-reward.ts'
import { misgeneralisation } from './misgeneralisation/misgeneralisation.ts'
import { misgeneralisationStories } from './misgeneralisation/misgeneralisation-stories.ts'
import { security } from './security/security.ts'
import { weakPrior } from './weak-prior/weak-prior.ts'
import { weirdness } from './weirdness/weirdness.ts'

/** Every claim that is tested, by its name. */
export const claims: readonly Claim[] = [bits, misgeneralisation, weakPrior, innateReward, weirdness, security, misgeneralisationStories]
