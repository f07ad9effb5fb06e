import type { AuditRow } from '../runs/index.ts'
import { clipFrom } from '../train/index.ts'
import { type Audit, rowOf } from './audit.ts'
import { type Clipped, keptBy, openClipped } from './clipped.ts'
import { declaredOf } from './declaration.ts'
import { percent } from './say.ts'
import type { AuditTarget } from './target.ts'
import { settings, thresholds } from './thresholds.ts'

/** Most entries of a tensor that are followed, spread over it. */
const most = 16384

/**
 * Tensors whose gradient is always clipped, always the same way: their movement is bounded by the clip and not by the loss.
 *
 * The statistic is clip rate times direction consistency of what is clipped off, times how far the rate keeps up. Clipping by the norm of all scales
 * every tensor alike, so it shields none; of clipping by group what counts is what a group loses beside the group that is kept most.
 *
 * source  audits.md section 3; clipping: Pascanu et al. 2013, arXiv:1211.5063
 */
export const pinned: Audit = {
  name: 'pinned',
  channel: 2,
  about: 'the gradient of the tensor is always clipped, always the same way',
  blind: 'a tensor that is pinned in fewer than most of its entries, or later than the audited steps',
  source: 'Pascanu et al. 2013, arXiv:1211.5063',
  needs: ['steps'],

  watch(target) {
    const followed = new Map(target.tensors.map(({ name }) => [name, openClipped(0)]))
    let begun = false
    return {
      see({ clip, gradient, factors }) {
        const largest = Math.max(...factors.values())
        for (const { name, input } of target.tensors) {
          const { data } = gradient[input]!
          const count = Math.min(data.length, most)
          if (!begun) followed.set(name, openClipped(count))
          const shown =
            count === data.length ? data : Float64Array.from({ length: count }, (_, i) => data[Math.floor((i * data.length) / count)]!)
          followed.get(name)!.see(shown, keptBy(clip, factors.get(input)!, largest))
        }
        begun = true
      },
      rows() {
        const seen = new Map([...followed].map(([name, one]) => [name, one.clipped()]))
        return [...seen].map(([tensor, one]) => ofTensor(tensor, one, othersDrift(seen, tensor), target))
      },
    }
  },
}

/** How constant the gradient of the other tensors is: where they all are, so is one that nothing pins. */
function othersDrift(seen: ReadonlyMap<string, Clipped>, tensor: string): number {
  const others = [...seen].flatMap(([name, { drift }]) => (name === tensor || drift === 0 ? [] : [drift])).sort((a, b) => a - b)
  return others[Math.floor(others.length / 2)] ?? 0
}

function ofTensor(tensor: string, one: Clipped, others: number, { training, declarations }: AuditTarget): AuditRow {
  const { rate, consistency, byChance, mass, flatness, steps } = one
  const kept = Math.min(1, flatness)
  const row = { tensor, statistic: rate * consistency * kept, null: rate * byChance * kept, threshold: thresholds.pinned }
  const clip = clipFrom(training.clip)
  if ('norm' in clip)
    return rowOf(pinned, { ...row, finding: 'clean', why: 'clipping by the norm of all scales every tensor alike, and shields none' })
  const numbers = `${percent(rate)} of it is clipped, ${percent(mass)} of its size, ${percent(consistency)} of that one way`
  if (row.statistic <= thresholds.pinned)
    return rowOf(pinned, { ...row, finding: 'clean', why: rate === 0 ? 'it is never clipped' : numbers })
  if (steps < settings.stepsForDirection)
    return rowOf(pinned, {
      ...row,
      finding: 'cannot tell',
      why: `${numbers}; a direction takes ${settings.stepsForDirection} steps, got ${steps}`,
    })
  if (others > settings.constant)
    return rowOf(pinned, {
      ...row,
      finding: 'cannot tell',
      why: `${numbers}; but the gradients of all tensors are constant here (${percent(others)})`,
    })
  const [declared] = declaredOf(declarations, tensor, 2)
  if (!declared) return rowOf(pinned, { ...row, finding: 'found', why: numbers })
  return rowOf(pinned, { ...row, finding: 'declared', why: `${numbers}; declared clipped: ${declared.reason}` })
}
