import { UserError } from '../graph/index.ts'
import { aot } from './aot.ts'
import { aotUnpaired } from './aot-unpaired.ts'
import { apoDown } from './apo-down.ts'
import { apoZero } from './apo-zero.ts'
import { bco } from './bco.ts'
import { bcoUnpaired, shifted } from './bco-unpaired.ts'
import { bestOfN } from './best-of-n.ts'
import { cispo } from './cispo.ts'
import { cpo } from './cpo.ts'
import { dapo } from './dapo.ts'
import { discopop } from './discopop.ts'
import { distil } from './distil.ts'
import { distillation, distillationLoss } from './distillation.ts'
import { dpo } from './dpo.ts'
import { dpop } from './dpop.ts'
import { drGrpo } from './dr-grpo.ts'
import { drest } from './drest.ts'
import { exo } from './exo.ts'
import { keepGaps } from './gaps.ts'
import { grpo } from './grpo.ts'
import { gspo } from './gspo.ts'
import { hinge } from './hinge.ts'
import { ipo } from './ipo.ts'
import { kto } from './kto.ts'
import { labelled, labelledLoss } from './labelled.ts'
import { mixture } from './mixture.ts'
import { nashMd } from './nash-md.ts'
import { nca } from './nca.ts'
import { nextToken } from './next-token.ts'
import type { Objective } from './objective.ts'
import { onlineDpo } from './online-dpo.ts'
import { orpo } from './orpo.ts'
import { type PairObjective, pairLosses, pairs, preferenceLoss, prefixesOf } from './pairs.ts'
import { ppo } from './ppo.ts'
import { raft } from './raft.ts'
import { reinforce } from './reinforce.ts'
import { rewardModel } from './reward-model.ts'
import { rewardRanking, scoredGroups } from './reward-ranking.ts'
import { rewardSteps, scoredSteps } from './reward-steps.ts'
import { rewardUnpaired, scoredLabels } from './reward-unpaired.ts'
import { rewardLoss, rewards } from './rewards.ts'
import { rloo } from './rloo.ts'
import { robust } from './robust.ts'
import { type RolloutObjective, rolloutLoss } from './rollouts.ts'
import { scoredPairs } from './scored-pairs.ts'
import { sft } from './sft.ts'
import { sigmoidNorm } from './sigmoid-norm.ts'
import { simpo } from './simpo.ts'
import { sppo } from './sppo.ts'
import { tokenLoss, tokens } from './tokens.ts'
import { xpo } from './xpo.ts'

export { among, type CustomLoss, keepWritten, lossText, type Taps, traceLoss } from './custom.ts'
export { isMeanOfExamples, type Of } from './mean-of-examples.ts'
export type { Example, Kind, Need, Objective, Scored, Sync, Unscored } from './objective.ts'
export { bound, type Params, type Settings, settle } from './params.ts'
export { type PpoSettings, ppoTargets } from './ppo.ts'
export { type Side, type Sides, side } from './side.ts'
export type { Inside, LossTerms, OwnTokens, Tokens } from './terms.ts'
export {
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bco,
  bcoUnpaired,
  bestOfN,
  cispo,
  cpo,
  dapo,
  discopop,
  distil,
  distillationLoss,
  dpo,
  dpop,
  drest,
  drGrpo,
  exo,
  grpo,
  gspo,
  hinge,
  ipo,
  keepGaps,
  kto,
  labelledLoss,
  mixture,
  nashMd,
  nca,
  nextToken,
  onlineDpo,
  orpo,
  type PairObjective,
  pairLosses,
  ppo,
  preferenceLoss,
  prefixesOf,
  type RolloutObjective,
  raft,
  reinforce,
  rewardLoss,
  rewardModel,
  rewardRanking,
  rewardSteps,
  rewardUnpaired,
  rloo,
  robust,
  rolloutLoss,
  sft,
  sigmoidNorm,
  simpo,
  sppo,
  tokenLoss,
  xpo,
}

/** Every objective by name, but `mixture`, which is made of others. */
export const objectives = {
  ...{ dpo, robust, hinge, ipo, exo, nca, bco, sppo, aot, aotUnpaired, apoZero, apoDown, discopop, sigmoidNorm, dpop },
  ...{ cpo, simpo, orpo, sft, kto, bcoUnpaired, nextToken, rloo, drest, distil },
  ...{ grpo, drGrpo, dapo, gspo, cispo },
  ...{ reinforce, ppo, onlineDpo, xpo, nashMd, bestOfN, raft },
  ...{ rewardModel, rewardRanking, rewardUnpaired, rewardSteps },
}

/** Every kind of objective: what its examples are. */
export const kinds = { pairs, labelled, shifted, tokens, rewards, distillation, scoredPairs, scoredGroups, scoredLabels, scoredSteps }

/**
 * An objective from how a recipe writes it: `{ name: 'dpo', beta: 0.1 }`, or `{ name: 'mixture', of: [{ objective: { … }, weight: 0.8 }, …] }`.
 *
 * throws  UserError when the name is not one of `objectives`, or a parameter is not one of that objective's or out of its bounds
 */
export function objectiveFrom({ name, ...params }: { readonly name: string; readonly [param: string]: unknown }): Objective {
  if (name === 'mixture') return mixtureFrom(params)
  if (!Object.hasOwn(objectives, name))
    throw new UserError(
      `objective.name: must be an objective, got ${JSON.stringify(name)}; choose from ${[...Object.keys(objectives), 'mixture'].join(', ')}`,
    )
  const make = objectives[name as keyof typeof objectives] as (params: Readonly<Record<string, unknown>>) => Objective
  return make(params)
}

function mixtureFrom({ of, ...more }: Readonly<Record<string, unknown>>): Objective {
  const [extra] = Object.keys(more)
  if (extra !== undefined)
    throw new UserError(`mixture.${extra}: must be a parameter of mixture, got ${JSON.stringify(more[extra])}; choose from of`)
  const parts = Array.isArray(of) ? (of as readonly unknown[]) : []
  return mixture({
    of: parts.map((part, i) => {
      const { objective, weight, ...rest } = Object(part) as { objective?: unknown; weight?: number }
      const [unknown] = Object.keys(rest)
      if (unknown !== undefined || typeof objective !== 'object' || objective === null || !('name' in objective))
        throw new UserError(
          `mixture.of[${i}]: must be an object with objective and weight, got ${JSON.stringify(part)}; write { "objective": { "name": "dpo" }, "weight": 0.8 }`,
        )
      return {
        objective: 'needs' in objective ? (objective as Objective) : objectiveFrom(objective as { name: string }),
        weight: weight as number,
      }
    }),
  })
}
