import { bits } from './bits.ts'
import type { Claim } from './claim.ts'

/** Every claim that is tested, by its name. */
export const claims: readonly Claim[] = [bits]
