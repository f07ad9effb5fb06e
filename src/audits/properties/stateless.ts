import { walk } from '../walk.ts'
import type { Property } from './property.ts'

/**
 * The same parameters and the same batch give the same gradient, bit for bit, after another history.
 *
 * source  audits.md section 1, property 3
 */
export const stateless: Property = {
  name: 'stateless',
  claim: 'the gradient is a function of parameters and batch alone, whatever came before',
  fails: 'dropout, drawn anew for each step; batch norm’s running statistics; numbers that an objective carries on; replayed data',

  async test(target) {
    const now = target.plan[0]!
    const began = await target.parameters()
    const gradientAt = async (step: number) => {
      const loss = await target.lossOf({ now, step }, 'f32')
      const { gradient } = await loss.gradient()
      await loss.close()
      return gradient
    }
    const first = await gradientAt(1)
    try {
      await walk(target, () => {})
    } finally {
      await target.restore(began)
    }
    const again = await gradientAt(target.plan.length + 1)
    const exceptions = target.tensors.flatMap(({ name, input }) =>
      first[input]!.data.every((x, i) => Object.is(x, again[input]!.data[i])) ? [] : [name],
    )
    return {
      holds: exceptions.length === 0,
      statistic: exceptions.length / target.tensors.length,
      exceptions,
      why:
        exceptions.length === 0
          ? `every bit is the same before and after ${target.plan.length} steps`
          : `the gradients of ${exceptions.length} tensors differ after ${target.plan.length} steps, with the same parameters and batch`,
    }
  },
}
