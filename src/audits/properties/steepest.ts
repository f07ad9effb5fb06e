import { dot } from '../directions.ts'
import { type StepSeen, walk } from '../walk.ts'
import type { Property } from './property.ts'

/**
 * The first update points along −g.
 *
 * source  audits.md section 1, property 2
 */
export const steepest: Property = {
  name: 'steepest',
  claim: 'the update points where the loss falls fastest',
  fails: 'momentum after the first step, Adam, Lion, Muon, clipping by value or by group, weight decay: each says how far by its cosine',

  async test(target) {
    const began = await target.parameters()
    let last: StepSeen | undefined
    try {
      await walk(target, (step) => void (last = step))
    } finally {
      await target.restore(began)
    }
    const { before, after, gradient, step } = last!
    const sums = { both: 0, moved: 0, slope: 0 }
    for (const { input } of target.tensors) {
      const move = Float64Array.from(after[input]!.data, (x, i) => x - before[input]!.data[i]!)
      const { data } = gradient[input]!
      sums.both -= dot(move, data)
      sums.moved += dot(move, move)
      sums.slope += dot(data, data)
    }
    const cosine = sums.both / Math.sqrt(sums.moved * sums.slope)
    const told = Number.isFinite(cosine)
    return {
      holds: told ? cosine > 1 - 1e-3 : undefined,
      statistic: cosine,
      exceptions: [],
      why: told
        ? `step ${step} by ${target.training.optimizer.name} has a cosine of ${cosine.toFixed(4)} with −g`
        : 'nothing moved, or there was no gradient',
    }
  },
}
