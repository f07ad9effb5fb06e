import { UserError } from '../graph/index.ts'
import { distil } from './distil.ts'
import { distillation, distillationLoss } from './distillation.ts'
import { dpo } from './dpo.ts'
import { drest } from './drest.ts'
import { keepGaps } from './gaps.ts'
import { ipo } from './ipo.ts'
import { kto } from './kto.ts'
import { labelled, labelledLoss } from './labelled.ts'
import { nextToken } from './next-token.ts'
import type { Objective } from './objective.ts'
import { type PairObjective, pairLosses, pairs, preferenceLoss } from './pairs.ts'
import { rewardLoss, rewards } from './rewards.ts'
import { rloo } from './rloo.ts'
import { simpo } from './simpo.ts'
import { tokenLoss, tokens } from './tokens.ts'

export { among, type CustomLoss, keepWritten, lossText, type Taps, traceLoss } from './custom.ts'
export { isMeanOfExamples, type Of } from './mean-of-examples.ts'
export type { Example, Kind, Need, Objective, Scored, Unscored } from './objective.ts'
export { bound, type Params, type Settings, settle } from './params.ts'
export { type Side, type Sides, side } from './side.ts'
export type { Inside, LossTerms, OwnTokens, Tokens } from './terms.ts'
export {
  distil,
  distillationLoss,
  dpo,
  drest,
  ipo,
  keepGaps,
  kto,
  labelledLoss,
  nextToken,
  type PairObjective,
  pairLosses,
  preferenceLoss,
  rewardLoss,
  rloo,
  simpo,
  tokenLoss,
}

/** Every objective by name. */
export const objectives = { dpo, ipo, simpo, kto, nextToken, rloo, drest, distil }

/** Every kind of objective: what its examples are. */
export const kinds = { pairs, labelled, tokens, rewards, distillation }

/**
 * An objective from how a recipe writes it: `{ name: 'dpo', beta: 0.1 }`.
 *
 * throws  UserError when the name is not one of `objectives`, or a parameter is not one of that objective's or out of its bounds
 */
export function objectiveFrom({ name, ...params }: { readonly name: string; readonly [param: string]: unknown }): Objective {
  if (!Object.hasOwn(objectives, name))
    throw new UserError(
      `objective.name: must be an objective, got ${JSON.stringify(name)}; choose from ${Object.keys(objectives).join(', ')}`,
    )
  const make = objectives[name as keyof typeof objectives] as (params: Readonly<Record<string, unknown>>) => Objective
  return make(params)
}
