import type { Audit } from './audit.ts'
import { cancelling } from './cancelling.ts'
import { forged } from './forged.ts'
import { inert } from './inert.ts'
import { pinned } from './pinned.ts'
import { shielded } from './shielded.ts'
import { steered } from './steered.ts'
import { surrogate } from './surrogate.ts'
import { wall } from './wall.ts'

/** Every audit, by channel. */
export const audits: readonly Audit[] = [shielded, forged, surrogate, inert, pinned, wall, cancelling, steered]

/** The channels that a clean verdict needs. */
export const channels = [1, 2, 3, 4, 5] as const
