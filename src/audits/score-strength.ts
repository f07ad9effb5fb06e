import { perExample, type SeenTrees } from '../curvature/index.ts'
import { seedFor } from '../random/index.ts'
import { openExampleGradients } from './example-gradients.ts'
import { scoreTerm } from './score-term.ts'
import type { Parameters } from './step-loss.ts'
import type { AdaptiveData } from './stream.ts'
import type { AuditTarget } from './target.ts'
import { settings } from './thresholds.ts'

const ofDraw = ({ logps, perTree }: SeenTrees) => perTree(logps)

/**
 * How large, by tensor, the part of the gradient is by which the policy would be moved to draw other data, beside the part that it is trained by:
 * ‖E[L · ∂ log p(D)]‖ / ‖E[∂L]‖, over one draw. It says how strong the way is; whether it is taken is for the other tests.
 *
 * limits  a few examples, so that a ratio below about 1/√n is noise
 */
export async function strengths(target: AuditTarget, data: AdaptiveData, seed: number): Promise<ReadonlyMap<string, number>> {
  const { training, tensors } = target
  const examples = (await data.draw(seedFor(seed, 'audit/scored'))).slice(0, settings.drawsScored)
  const gradients = await openExampleGradients(target, examples)
  try {
    const losses: number[] = []
    for (const example of examples) losses.push((await gradients.withLoss([example])).loss)
    const risk = { policy: training.policy, trees: examples.map(({ tree }) => tree), loss: ofDraw, reduce: 'mean', marks: 'allow' } as const
    const { values } = await perExample(risk, ({ gradient }): Parameters => gradient)
    const term = scoreTerm(values.map((score, i) => ({ loss: losses[i]!, score })))
    const taught = await gradients.of(examples)
    return new Map(
      tensors.map(({ name, input }) => {
        const usual = norm(taught[input]!.data)
        return [name, usual > 0 ? norm(term[input] ?? []) / usual : 0]
      }),
    )
  } finally {
    await gradients.close()
  }
}

function norm(data: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < data.length; i++) sum += data[i]! ** 2
  return Math.sqrt(sum)
}
