import type { Tensor } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { seedFor } from '../random/index.ts'
import { backward } from '../train/backward.ts'
import { clipFrom } from '../train/clip.ts'
import { openTrainState } from '../train/state.ts'
import { takeUpdate } from '../train/stepping.ts'
import type { AdaptiveData } from './stream.ts'
import type { AuditTarget } from './target.ts'
import { settings } from './thresholds.ts'

/**
 * The replay intervention, by tensor: how far a few rollouts of training end from where they end when the stream is frozen, drawn by the policy
 * as it was and replayed, beside how far two frozen streams of other draws are from each other. About 1 and below where what the policy learned
 * does not change what it draws.
 *
 * source  audits.md section 6, intervention 1
 */
export async function replayed(
  target: AuditTarget,
  data: AdaptiveData,
  seed: number,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const began = await target.parameters()
  const seeds = Array.from({ length: settings.rollouts }, (_, k) => seedFor(seed, `audit/rollout/${k}`))
  const frozen = async (name: string) => {
    const groups: (readonly Example[])[] = []
    for (const one of seeds) groups.push(await data.draw(seedFor(one, name)))
    return groups
  }
  const moved = async (groups: (k: number) => Promise<readonly Example[]>) => {
    await train(target, groups, signal)
    const now = await target.parameters()
    await target.restore(began)
    return now
  }
  const [first, second] = [await frozen('one'), await frozen('two')]
  const ends = {
    adaptive: await moved((k) => data.draw(seedFor(seeds[k]!, 'one'))),
    first: await moved(async (k) => first[k]!),
    second: await moved(async (k) => second[k]!),
  }
  return new Map(
    target.tensors.map(({ name, input }) => {
      const [off, noise] = [apart(ends.adaptive[input]!, ends.first[input]!), apart(ends.first[input]!, ends.second[input]!)]
      return [name, noise > 0 ? off / noise : 0]
    }),
  )
}

async function train(
  { training, stepping, steps }: AuditTarget,
  groups: (k: number) => Promise<readonly Example[]>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const state = await openTrainState(training.policy, training.optimizer, clipFrom(training.clip))
  try {
    let step = 0
    for (let k = 0; k < settings.rollouts; k++) {
      const group = await groups(k)
      const most = Math.min(group.length, settings.replayedSteps * training.batch)
      for (let from = 0; from + 1 < most; from += training.batch) {
        signal?.throwIfAborted()
        const now = group.slice(from, from + training.batch)
        step++
        const { carried } = await backward(stepping, state, now, step)
        await state.gradNorm()
        await takeUpdate(training, stepping, state, { now, step, steps: Math.max(steps, step), carried })
      }
    }
  } finally {
    await state.close()
  }
}

function apart(a: Tensor, b: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2
  return Math.sqrt(sum)
}
