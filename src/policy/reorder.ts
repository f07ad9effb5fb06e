import { UserError } from '../graph/errors.ts'
import type { DecoderConfig } from '../models/config.ts'
import { underEditsOf } from './edit.ts'
import { type Policy, policyOf, withParams } from './policy.ts'

/**
 * The same parameters with their blocks in another order: some left out, some more than once. A block takes its window and its rotation along.
 * The parameters are shared, so it is closed with the policy it is of.
 *
 * throws  UserError for an order of no block, or of one that is not there
 * limits  edits stay at the places they are at; of a policy without adapters
 */
export function reordered(policy: Policy, order: readonly number[]): Policy {
  const { config, params, engine } = policy
  const strange = order.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < config.layers))
  if (order.length === 0 || strange !== undefined)
    throw new UserError(`layers: must be one or more of 0 to ${config.layers - 1}, got ${strange ?? 'none'}; blocks are numbered from 0`)
  if (policy.adapters) throw new UserError('layers: must be of a model without adapters, got one with; merge them first')
  const moved = reorderedConfig(config, order)
  const other = { ...params, blocks: order.map((layer) => params.blocks[layer]!) }
  // What is compiled depends on the form of the model, and not on which block stands where.
  const same = JSON.stringify(moved) === JSON.stringify(config)
  const plain = same ? withParams(policy, other) : policyOf(engine, moved, other)
  return policy.edits ? underEditsOf(policy, plain) : plain
}

function reorderedConfig(config: DecoderConfig, order: readonly number[]): DecoderConfig {
  const places = (layers: readonly number[]) => order.flatMap((layer, place) => (layers.includes(layer) ? [place] : []))
  const { window, unrotated } = config
  return {
    ...config,
    layers: order.length,
    ...(window ? { window: { ...window, layers: places(window.layers) } } : {}),
    ...(unrotated ? { unrotated: places(unrotated) } : {}),
  }
}
