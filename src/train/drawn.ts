import type { Example } from '../objectives/index.ts'
import type { Stepping } from './backward.ts'
import { checkOnePass } from './examine-loss.ts'
import { cutGroup, type Planned, stepsToCome } from './plan.ts'

/** Groups that are drawn when training comes to them, such as completions that the policy as it then is samples. */
export interface Drawn {
  /** How many examples each has. */
  readonly counts: readonly number[]
  /** One of them, counting from 0. Of those that a resumed training is past none is asked for. */
  group(index: number): Promise<readonly Example[]>
}

/** Makes examples of what stands for them in a plan: their tokens, and what the reference says of them. */
export type LoadExamples = (now: readonly Example[]) => Promise<readonly Example[]>

/** The steps of a training: of groups that are there, and then of those that are drawn. */
export function openSteps(
  planned: Planned & { readonly draw?: Drawn; readonly load?: LoadExamples },
  plan: readonly (readonly Example[])[],
  stepping: Stepping,
) {
  const { draw, load, later = [], objective } = planned
  const perGroup = (draw?.counts ?? []).map((count) => stepsToCome([count], planned))
  const starts = perGroup.map((_, k) => perGroup.slice(0, k).reduce((a, b) => a + b, plan.length))
  let drawn: { readonly k: number; readonly steps: readonly (readonly Example[])[] } | undefined
  return {
    /** How many steps can be taken now. */
    count: perGroup.reduce((a, b) => a + b, plan.length),
    /** The examples of a step, counting from 0. */
    async at(step: number): Promise<readonly Example[]> {
      const there = plan[step]
      if (there || !draw) return load ? load(there!) : there!
      const k = starts.findLastIndex((start) => start <= step)
      if (drawn?.k !== k) {
        const group = await draw.group(k)
        objective.kind.check?.(group, objective)
        const steps = cutGroup(planned, group, 1 + later.length + k)
        if (stepping.reads && !stepping.reads.mean) checkOnePass(stepping, steps)
        drawn = { k, steps }
      }
      return drawn.steps[step - starts[k]!]!
    },
  }
}
