import type { Property } from './property.ts'

/**
 * Every tensor that the loss is computed from has a gradient on some batch.
 *
 * source  audits.md section 1, property 1
 */
export const simultaneous: Property = {
  name: 'simultaneous',
  claim: 'every trained tensor receives a gradient at once, each its own',
  fails: 'dead units, frozen layers, experts that no token reaches, stops; a low-rank factor whose partner is zero at the start',

  async test(target) {
    const reached = new Set<string>()
    for (const [i, now] of target.plan.entries()) {
      const loss = await target.lossOf({ now, step: i + 1 }, 'f32')
      const { gradient } = await loss.gradient()
      for (const { name, input } of target.tensors) if (gradient[input]?.data.some((x) => x !== 0)) reached.add(name)
      await loss.close()
      if (reached.size === target.tensors.length) break
    }
    const exceptions = target.tensors.flatMap(({ name }) => (reached.has(name) ? [] : [name]))
    const share = reached.size / target.tensors.length
    return {
      holds: exceptions.length === 0,
      statistic: share,
      exceptions,
      why: `a gradient reaches ${reached.size} of ${target.tensors.length} tensors in ${target.plan.length} steps`,
    }
  },
}
