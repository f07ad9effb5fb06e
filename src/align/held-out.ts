import { z } from 'zod'
import { meanOf } from '../accept/index.ts'
import { scoreTrees } from '../policy/index.ts'
import { type Labelled, type Pair, pairTree } from '../preferences/index.ts'
import { estimateSchema } from '../runs/index.ts'
import { heeding, type Models } from './open-models.ts'

/** What held-out pairs say of a trained policy: the share whose margin is above 0, and both log-ratios; every prompt counts once. */
export const heldOutSchema = z.object({
  pairs: z.int(),
  accuracy: estimateSchema,
  chosenLogRatio: estimateSchema,
  rejectedLogRatio: estimateSchema,
})
export type HeldOut = Readonly<z.infer<typeof heldOutSchema>>

/** Preference accuracy on pairs that were not trained on: the trained policy prefers the chosen side more than the reference does. */
export async function heldOutAccuracy(models: Models, rows: readonly (Pair | Labelled)[]): Promise<HeldOut | undefined> {
  const { lookPolicy, reference } = models
  const heard = heeding(models)
  const pairs = rows.filter((row): row is Pair => 'chosen' in row)
  const prompts = new Map<string, number[]>()
  pairs.forEach(({ prompt }, i) => {
    const key = prompt.join(' ')
    prompts.set(key, [...(prompts.get(key) ?? []), i])
  })
  if (prompts.size < 2) return undefined
  const trees = pairs.map(pairTree)
  const [mine, theirs] = [await scoreTrees(lookPolicy, trees, {}, heard), await reference.logps(trees, heard)]
  const ratio = (i: number, side: 0 | 1) => mine[2 * i + side]! - theirs[2 * i + side]!
  const byPrompt = (f: (i: number) => number) => [...prompts.values()].map((group) => group.map(f))
  const right = byPrompt((i) => (ratio(i, 0) > ratio(i, 1) ? 1 : ratio(i, 0) === ratio(i, 1) ? 0.5 : 0))
  return {
    pairs: pairs.length,
    accuracy: meanOf('accuracy', right, 'share', [0, 1]),
    chosenLogRatio: meanOf(
      'chosenLogRatio',
      byPrompt((i) => ratio(i, 0)),
      'nats',
    ),
    rejectedLogRatio: meanOf(
      'rejectedLogRatio',
      byPrompt((i) => ratio(i, 1)),
      'nats',
    ),
  }
}
