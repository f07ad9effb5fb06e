import { z } from 'zod'
import { calibrationOf, meanOf } from '../accept/index.ts'
import type { Labelled, Pair } from '../preferences/index.ts'
import {
  difference,
  endFeatures,
  type KeptPosterior,
  networkMarginVariances,
  scoresOf,
  tangentFeatures,
  upToPadding,
  varianceAt,
  winChance,
} from '../rewards/index.ts'
import { estimateSchema } from '../runs/index.ts'
import { byPrompt, byVotes } from './held-out.ts'
import type { Models } from './open-models.ts'
import { binSchema } from './reliability.ts'

/**
 * What held-out pairs say of a reward model: the share that it ranks as they were voted, and how far the probability that it gives to its choice
 * is from that share (`ece`). `eceIfCalibrated` is what as many pairs show of a model without such an error. Margins and their doubt are means.
 */
export const heldOutRewardsSchema = z.object({
  pairs: z.int(),
  ties: z.int(),
  gaps: z.int(),
  accuracy: estimateSchema,
  ece: estimateSchema,
  eceIfCalibrated: z.number(),
  rewardMargin: estimateSchema,
  /** One standard deviation of a margin, by the posterior. */
  marginSd: z.number(),
  reliability: z.array(binSchema).readonly(),
})
export type HeldOutRewards = Readonly<z.infer<typeof heldOutRewardsSchema>>

/** The same row, each completion up to its last token that is no padding: where transformers reads a score. */
export function readToEnd<T extends Pair | Labelled>(row: T, { checkpoint }: Pick<Models, 'checkpoint'>): T {
  const padId = checkpoint.config.reward?.padId
  return 'chosen' in row
    ? { ...row, chosen: upToPadding(row.chosen, padId), rejected: upToPadding(row.rejected, padId) }
    : { ...row, completion: upToPadding(row.completion, padId) }
}

/** Pairs on which the votes do not tie, the side with more of them first. */
function decidedPairs(rows: readonly (Pair | Labelled)[]): Pair[] {
  return rows.filter((row): row is Pair => 'chosen' in row && !row.gap && row.votes[0] !== row.votes[1]).map(byVotes)
}

/** Measures a trained reward model on pairs that it was not trained on; or says why there are too few of them. */
export async function measureRewards(
  { lookPolicy, signal }: Models,
  posterior: KeptPosterior,
  rows: readonly (Pair | Labelled)[],
): Promise<HeldOutRewards | { readonly tooFew: string }> {
  const all = rows.filter((row): row is Pair => 'chosen' in row)
  const pairs = all.filter(({ gap }) => !gap)
  const decided = decidedPairs(rows)
  const groups = byPrompt(decided)
  if (groups.length < 2) return { tooFew: `pairs on at least 2 prompts whose votes do not tie, got ${decided.length} on ${groups.length}` }
  const texts = decided.flatMap(({ prompt, chosen, rejected }) => [chosen, rejected].map((ids) => [...prompt, ...ids]))
  const features = await endFeatures(lookPolicy, texts, { signal })
  const scores = scoresOf(features, posterior.mean)
  const margins = decided.map((_, i) => scores[2 * i]! - scores[2 * i + 1]!)
  const { network } = posterior
  const variances = network
    ? networkMarginVariances(network, await tangentFeatures(lookPolicy, texts, { signal }))
    : decided.map((_, i) => varianceAt(posterior, difference(features, 2 * i, 2 * i + 1)))
  const groupOf = new Map(groups.flatMap((group, g) => group.map((i) => [i, g] as const)))
  const predicted = decided.map((_, i) => ({ group: groupOf.get(i)!, chance: winChance(margins[i]!, variances[i]!) }))
  const { ece, eceIfCalibrated, bins } = calibrationOf(predicted)
  const byGroup = (numbers: readonly number[]) => groups.map((group) => group.map((i) => numbers[i]!))
  const right = margins.map((margin) => (Math.sign(margin) + 1) / 2)
  return {
    pairs: decided.length,
    ties: pairs.length - decided.length,
    gaps: all.length - pairs.length,
    accuracy: meanOf('accuracy', byGroup(right), 'share', [0, 1]),
    ece,
    eceIfCalibrated,
    rewardMargin: meanOf('rewardMargin', byGroup(margins), 'log-odds'),
    marginSd: Math.sqrt(variances.reduce((sum, v) => sum + v, 0) / variances.length),
    reliability: bins,
  }
}
