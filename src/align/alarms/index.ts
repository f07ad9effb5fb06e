import type { Alarm } from '../../runs/index.ts'
import { alarmsBy, type Seen } from './alarm.ts'
import { clipShare } from './clip-share.ts'
import { completionsCut } from './completions-cut.ts'
import { chosenFalling } from './displacement.ts'
import { divergence } from './divergence.ts'
import { entropyCollapse } from './entropy-collapse.ts'
import { goldTwin } from './gold-twin.ts'
import { groupsAlike } from './groups-alike.ts'
import { judgeGap } from './judge-gap.ts'
import { judgePlace } from './judge-place.ts'
import { lengthBias } from './length-bias.ts'
import { priorFights } from './prior-fights.ts'
import { rewardDoubt } from './reward-doubt.ts'
import { rewardLength } from './reward-length.ts'
import { rewardRunaway } from './reward-runaway.ts'
import { samplerApart } from './sampler-apart.ts'
import { zeroSignal } from './zero-signal.ts'

/** Every alarm but those of audits, which are made of what an audit finds. */
export const alarms = [
  judgePlace,
  judgeGap,
  rewardRunaway,
  rewardDoubt,
  rewardLength,
  goldTwin,
  priorFights,
  chosenFalling,
  lengthBias,
  zeroSignal,
  divergence,
  samplerApart,
  completionsCut,
  groupsAlike,
  entropyCollapse,
  clipShare,
] as const

/** The alarms that what was seen raises. */
export function alarmsOf(seen: Seen): Alarm[] {
  return alarms.flatMap((rule) => alarmsBy(rule, seen))
}

export type { Seen } from './alarm.ts'
