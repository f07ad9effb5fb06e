import { alarms } from './alarms.ts'
import { audits } from './audits.ts'
import { criteria } from './criteria.ts'
import { curves } from './curves.ts'
import { data } from './data.ts'
import { inside } from './inside.ts'
import { judge } from './judge.ts'
import { loss } from './loss.ts'
import { prior } from './prior.ts'
import { reproduce } from './reproduce.ts'
import { reward } from './reward.ts'
import { rounds } from './rounds.ts'
import { samples } from './samples.ts'
import type { Section } from './section.ts'
import { shutdown } from './shutdown.ts'
import { tables } from './tables.ts'
import { times } from './times.ts'

/** The sections of a report, in their order. */
export const sections: readonly Section[] = [
  alarms,
  audits,
  criteria,
  samples,
  prior,
  reward,
  curves,
  judge,
  shutdown,
  rounds,
  inside,
  tables,
  loss,
  data,
  times,
  reproduce,
]
