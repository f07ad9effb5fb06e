import { UserError } from '../graph/index.ts'
import { adamw } from './adamw.ts'
import { lion } from './lion.ts'
import type { Optimizer } from './optimizer.ts'
import { sgd } from './sgd.ts'

/** Every optimizer by name. */
export const optimizers = { adamw, sgd, lion }

/**
 * An optimizer from how a recipe writes it: `{ name: 'adamw', lr: 1e-5 }`.
 *
 * throws  UserError when the name is not one of `optimizers`, or a parameter is not one of that optimizer's or out of its bounds
 */
export function optimizerFrom({ name, ...params }: { readonly name: string; readonly [param: string]: unknown }): Optimizer {
  if (!Object.hasOwn(optimizers, name))
    throw new UserError(
      `train.optimizer.name: must be an optimizer, got ${JSON.stringify(name)}; choose from ${Object.keys(optimizers).join(', ')}`,
    )
  const make = optimizers[name as keyof typeof optimizers] as (params: Readonly<Record<string, unknown>>) => Optimizer
  return make(params)
}
