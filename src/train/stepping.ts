import { UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { isInAttention } from '../policy/index.ts'
import { backward, type Measured, type Stepping } from './backward.ts'
import { checkOnePass, examineLoss } from './examine-loss.ts'
import { openFollowing } from './follow.ts'
import { packingOf } from './micro-batch.ts'
import { rateAt } from './schedule.ts'
import type { TrainState } from './state.ts'
import { openTeacher } from './teacher.ts'
import type { Training } from './train.ts'

/**
 * What every step of a training has in common; closed after them.
 *
 * throws  UserError for an objective that asks for a teacher where there is none, and for a loss that reads a batch which takes several passes
 */
export function openStepping(training: Training, plan: readonly (readonly Example[])[]): { stepping: Stepping; close(): Promise<void> } {
  const { policy, objective, loss, seed, referenceOf, tokenBudget } = training
  const teacher = training.teacher && openTeacher(training.teacher, policy)
  if (!teacher && objective.needs.includes('teacher'))
    throw new UserError(`train: must have a teacher for ${objective.name}, got none; give one beside the policy`)
  const given: Stepping = {
    policy,
    objective,
    seed,
    referenceOf,
    packing: packingOf(policy, tokenBudget),
    ...(loss ? { loss } : {}),
    ...(teacher ? { teacher } : {}),
  }
  const following = objective.sync && openFollowing(policy, objective.sync)
  const stepping = { ...(plan[0] ? withReads(given, plan) : given), ...(following ? { following } : {}) }
  return {
    stepping,
    async close() {
      await following?.close()
      await teacher?.close()
    },
  }
}

/** Changes the parameters by the gradient as it now is, and returns the learning rate that it was done with. */
export async function takeUpdate(
  { optimizer, schedule }: Pick<Training, 'optimizer' | 'schedule'>,
  stepping: Stepping,
  state: TrainState,
  {
    now,
    step,
    steps,
    carried,
  }: { readonly now: readonly Example[]; readonly step: number; readonly steps: number } & Pick<Measured, 'carried'>,
): Promise<number> {
  const lr = Number(optimizer.params.lr) * rateAt(schedule, step, steps)
  if (optimizer.step) await state.wholeStep(step, lr, async () => void (await backward(stepping, state, now, step)))
  else await state.update(step, lr)
  state.carried = carried
  await stepping.following?.after(step)
  return lr
}

/** What a loss reads, and how steps are packed for it. */
function withReads(stepping: Stepping, plan: readonly (readonly Example[])[]): Stepping {
  const { objective, loss } = stepping
  if (!loss && !objective.whole && !objective.needs.some((need) => need === 'prefixes' || need === 'tokens')) return stepping
  const reads = examineLoss(stepping, plan)
  if (reads.prior && plan.flat().some(({ prior }) => !prior))
    throw new UserError(
      'loss.prior: must go with a prior over goals, got examples without one; add a prior to the recipe, or leave the term out',
    )
  const { packing } = stepping
  const cost = { ...packing.cost!, run: reads.mean ? packing.cost!.run : Number.MAX_SAFE_INTEGER }
  const made = { ...stepping, reads, packing: { ...packing, cost, whole: packing.whole || [...reads.asks].some(isInAttention) } }
  if (!reads.mean) checkOnePass(made, plan)
  return made
}
