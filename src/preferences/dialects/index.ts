import { alpaca } from './alpaca.ts'
import { argilla } from './argilla.ts'
import type { Dialect } from './dialect.ts'
import { hh } from './hh.ts'
import { ids } from './ids.ts'
import { messages } from './messages.ts'
import { orca } from './orca.ts'
import { sharegpt } from './sharegpt.ts'
import { text } from './text.ts'
import { trlPairs } from './trl-pairs.ts'
import { trlUnpaired } from './trl-unpaired.ts'
import { ultrafeedback } from './ultrafeedback.ts'

export type { Dialect } from './dialect.ts'

/** Every dialect that is read, those that more columns show before the others: a row is in the first that it fits. */
export const dialects: readonly Dialect[] = [argilla, ids, ultrafeedback, sharegpt, alpaca, messages, orca, hh, trlPairs, trlUnpaired, text]
