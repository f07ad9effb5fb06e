import type { Tensor } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import type { AuditOptions } from './audit.ts'
import { openExampleGradients } from './example-gradients.ts'
import type { Parameters } from './step-loss.ts'
import type { AuditTarget } from './target.ts'
import { settings } from './thresholds.ts'

/** What examples add to the gradient of a batch, beside their own gradients, of one tensor. */
export interface Interaction {
  /** ‖in the batch − alone‖ / ‖the two‖, summed over examples; 0 where an example's part is its own gradient, at most 2. */
  readonly relative: number
  /** As much as rounding may make of it. */
  readonly noise: number
  /** Σ‖alone‖ */
  readonly alone: number
  /** Examples in the batch. */
  readonly batch: number
}

/**
 * The decisive test of channel 4, by tensor: ‖gradient of an example in the batch − of it alone‖. What an example adds to a batch is the gradient
 * of the batch's summed loss less that of the batch without it, so that nothing needs to be known of the loss; the order of the batch is reversed
 * as well.
 *
 * limits  a few examples of the first and the last step's batch; a gradient that changes the loss by less than 1e-4 of itself, where the tensor is
 *         moved by its own size, is none
 * source  audits.md section 5
 */
export async function interactions(target: AuditTarget, { signal }: AuditOptions): Promise<ReadonlyMap<string, Interaction>> {
  const batches = target.plan.filter((now) => now.length > 1)
  const looked = batches.length > 0 ? [...new Set([batches[0]!, batches.at(-1)!])] : []
  const parameters = await target.parameters()
  const sums = new Map(target.tensors.map(({ input }) => [input, { off: 0, both: 0, alone: 0, rounding: 0, seen: 0 }]))
  let batch = 0
  for (const now of looked) {
    batch = Math.max(batch, now.length)
    const gradients = await openExampleGradients(target, now)
    try {
      const weight = (examples: readonly Example[]) => examples.reduce((sum, example) => sum + gradients.weight(example), 0)
      const summed = async (examples: readonly Example[]) => scaled(await gradients.of(examples), weight(examples))
      const whole = await summed(now)
      const turned = await summed(now.toReversed())
      for (const [input, sum] of sums) {
        sum.rounding += settings.rounding * norm(whole[input]!)
        sum.off += distance(whole[input]!, turned[input]!)
        sum.both += settings.rounding * norm(whole[input]!)
      }
      for (const example of now.slice(0, settings.examplesApart)) {
        signal?.throwIfAborted()
        const without = await summed(now.filter((other) => other !== example))
        const { loss, gradient } = await gradients.withLoss([example])
        const alone = scaled(gradient, weight([example]))
        const floor = settings.rounding * Math.sqrt([...sums.keys()].reduce((sum, input) => sum + norm(alone[input]!) ** 2, 0))
        for (const [input, sum] of sums) {
          const added = minus(whole[input]!, without[input]!)
          sum.off += distance(added, alone[input]!)
          sum.both += (norm(added) + norm(alone[input]!)) / 2 + floor
          sum.alone += norm(alone[input]!)
          // As a change of the loss when the tensor is moved by its own size.
          sum.seen = Math.max(sum.seen, (Math.max(norm(added), norm(alone[input]!)) * norm(parameters[input]!.data)) / Math.abs(loss))
          sum.rounding += settings.rounding * (norm(whole[input]!) + norm(without[input]!))
        }
      }
    } finally {
      await gradients.close()
    }
  }
  return new Map(
    target.tensors.map(({ name, input }) => {
      const { off, both, alone, rounding, seen } = sums.get(input)!
      const told = both > 0 && seen > settings.noneSingle
      return [name, { relative: told ? off / both : 0, noise: told ? rounding / both : 0, alone: told ? alone : 0, batch }]
    }),
  )
}

type Numbers = Float64Array

function scaled(gradients: Parameters, by: number): Readonly<Record<string, Numbers>> {
  return Object.fromEntries(Object.entries(gradients).map(([name, { data }]) => [name, Float64Array.from(data, (x) => x * by)]))
}

function minus(a: Numbers, b: Numbers): Numbers {
  return a.map((x, i) => x - b[i]!)
}

function distance(a: Numbers, b: Numbers): number {
  return norm(minus(a, b))
}

function norm(a: Numbers | Tensor['data']): number {
  let sum = 0
  for (const x of a) sum += x * x
  return Math.sqrt(sum)
}
