import { UserError } from '../graph/index.ts'
import type { Example, Objective } from '../objectives/index.ts'
import { batches } from '../preferences/index.ts'
import type { Drawn } from './drawn.ts'

/** What the steps of a run are cut from. */
export interface Planned {
  readonly objective: Objective
  readonly examples: readonly Example[]
  /** Further examples: each group is trained on after those before it, and may have been sampled from what came of them. */
  readonly later?: readonly (readonly Example[])[]
  /** Groups that are drawn when training comes to them. */
  readonly draw?: Drawn
  /** How many examples each group will have that is not there yet; the schedule counts their steps. */
  readonly toCome?: readonly number[]
  /** Examples a step. */
  readonly batch: number
  readonly epochs: number
  readonly seed: number
  readonly shuffle?: boolean
  /** Examples of one prompt come one after the other, so that what they have in common is read once. Default false. */
  readonly together?: boolean
}

/**
 * The examples of every step that is there to be taken, and how many steps there will be in all. What is left over at the end of an epoch
 * is a step of its own, or joins the one before it where it is fewer than the objective can be trained on.
 *
 * throws  UserError when a batch or all examples are fewer than that, or the objective cannot be trained on them
 */
export function planSteps(planned: Planned): { plan: readonly (readonly Example[])[]; steps: number } {
  const { objective, examples, later = [], draw, toCome = [], batch } = planned
  const { fewest, check } = objective.kind
  if (batch < fewest) throw new UserError(`train.batch: must be ${fewest} or more for ${objective.name}, got ${batch}; give a larger batch`)
  for (const group of [examples, ...later]) check?.(group, objective)
  const plan = [examples, ...later].flatMap((group, k) => cutGroup(planned, group, k))
  return { plan, steps: plan.length + stepsToCome([...(draw?.counts ?? []), ...toCome], planned) }
}

/** The steps of all epochs of one group, which is the k-th of a training, counting from 0. */
export function cutGroup(
  { objective, batch, epochs, seed, shuffle = true, together }: Planned,
  group: readonly Example[],
  k: number,
): (readonly Example[])[] {
  const by = together ? ({ tree }: Example) => tree.prompt.join() : undefined
  const cut = (epoch: number) => joined(batches(group, batch, { seed, epoch, shuffle, ...(by ? { by } : {}) }), objective.kind.fewest)
  return Array.from({ length: epochs }, (_, e) => cut(k * epochs + e)).flat()
}

function joined<T>(steps: T[][], fewest: number): T[][] {
  const last = steps.at(-1)
  if (steps.length < 2 || last!.length >= fewest) return steps
  return [...steps.slice(0, -2), [...steps.at(-2)!, ...last!]]
}

/** How many steps groups of so many examples take. */
export function stepsToCome(
  counts: readonly number[],
  { objective, batch, epochs }: Pick<Planned, 'objective' | 'batch' | 'epochs'>,
): number {
  return counts.reduce((sum, count) => sum + epochs * stepsOf(count, batch, objective.kind.fewest), 0)
}

/** Steps of an epoch of so many examples. */
function stepsOf(count: number, batch: number, fewest: number): number {
  const left = count % batch
  return left > 0 && left < fewest && count > batch ? Math.floor(count / batch) : Math.ceil(count / batch)
}
