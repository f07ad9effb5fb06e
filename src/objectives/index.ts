import { UserError } from '../graph/index.ts'
import { dpo } from './dpo.ts'
import { ipo } from './ipo.ts'
import { kto } from './kto.ts'
import { nextToken } from './next-token.ts'
import type { Objective } from './objective.ts'
import { simpo } from './simpo.ts'

export { type CustomLoss, exampleTerms, lossText, pairTerms, type Taps, type Terms, tokenTerms, traceLoss } from './custom.ts'
export { ktoBaseline, mismatched } from './kto.ts'
export {
  type Example,
  type ExampleDefinition,
  type ExampleObjective,
  exampleLoss,
  type Need,
  type Objective,
  type PairDefinition,
  type PairObjective,
  pairLosses,
  preferenceLoss,
  type TokenDefinition,
  type TokenObjective,
  tokenLoss,
} from './objective.ts'
export { bound, type Params, type Settings } from './params.ts'
export { type Side, type Sides, side } from './side.ts'
export { dpo, ipo, kto, nextToken, simpo }

/** Every objective by name. */
export const objectives = { dpo, ipo, simpo, kto, nextToken }

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
