import { z } from 'zod'
import { calibrationOf, meanOf } from '../accept/index.ts'
import type { Labelled, Pair, Stepwise } from '../preferences/index.ts'
import {
  endFeatures,
  type KeptPosterior,
  lessCenter,
  networkVariances,
  scoresOf,
  tangentFeatures,
  varianceAt,
  winChance,
} from '../rewards/index.ts'
import { type Estimate, estimateSchema } from '../runs/index.ts'
import { byPrompt } from './held-out.ts'
import type { Models } from './open-models.ts'
import { binSchema } from './reliability.ts'

/** What is measured of texts that were judged one by one. */
const judgedFields = {
  accuracy: estimateSchema,
  ece: estimateSchema,
  eceIfCalibrated: z.number(),
  /** One standard deviation of a score, by the posterior. units log-odds */
  rewardSd: z.number(),
  reliability: z.array(binSchema).readonly(),
}

/**
 * What held-out labelled completions say of a reward model: the share whose score has the sign of its label, and how far the probability that it gives
 * to the likelier label is from the share of times that it is right (`ece`). `eceIfCalibrated` is what as many show of a model without such an error.
 */
export const heldOutLabelRewardsSchema = z.object({
  completions: z.int(),
  /** How many of them are wanted: their share, or what is left of it, is right without any model. */
  wanted: z.int(),
  /** Left out, since as many votes are for as against them. */
  ties: z.int(),
  wantedReward: estimateSchema.optional(),
  unwantedReward: estimateSchema.optional(),
  ...judgedFields,
})
export type HeldOutLabelRewards = Readonly<z.infer<typeof heldOutLabelRewardsSchema>>

/**
 * What held-out completions in steps say of a reward model, step by step: the share of steps whose score has the sign of their label, the mean over
 * prompts, and the rest as of labelled completions.
 */
export const heldOutStepRewardsSchema = z.object({
  solutions: z.int(),
  steps: z.int(),
  /** How many of the steps are right. */
  right: z.int(),
  rightReward: estimateSchema.optional(),
  wrongReward: estimateSchema.optional(),
  ...judgedFields,
})
export type HeldOutStepRewards = Readonly<z.infer<typeof heldOutStepRewardsSchema>>

/** A text that was judged by itself, with the votes for and against it. */
interface Judged {
  readonly prompt: readonly number[]
  readonly text: readonly number[]
  readonly votes: readonly [number, number]
}

/** Measures a trained reward model on completions that it was not trained on; or says why there are too few of them. */
export async function measureLabelRewards(
  models: Models,
  posterior: KeptPosterior,
  rows: readonly (Pair | Labelled)[],
): Promise<HeldOutLabelRewards | { readonly tooFew: string }> {
  const all = rows.filter((row): row is Labelled => 'label' in row).map(judgedOf)
  const measured = await measureJudged(models, posterior, all)
  if ('tooFew' in measured) return { tooFew: `completions ${measured.tooFew}` }
  const { n, means, ...rest } = measured
  return { completions: n, ...rest, ...means('wantedReward', 'unwantedReward') }
}

/** Measures one on completions in steps, each step by itself: what was said up to its end is a text. */
export async function measureStepRewards(
  models: Models,
  posterior: KeptPosterior,
  rows: readonly Stepwise[],
): Promise<HeldOutStepRewards | { readonly tooFew: string }> {
  const all = rows.flatMap(({ prompt, completion, steps }) =>
    steps.map(({ end, label }): Judged => ({ prompt, text: [...prompt, ...completion.slice(0, end)], votes: label ? [1, 0] : [0, 1] })),
  )
  const measured = await measureJudged(models, posterior, all)
  if ('tooFew' in measured) return { tooFew: `steps ${measured.tooFew}` }
  const { n, wanted, ties: _, means, ...rest } = measured
  return { solutions: rows.length, steps: n, right: wanted, ...rest, ...means('rightReward', 'wrongReward') }
}

async function measureJudged({ lookPolicy, signal }: Models, posterior: KeptPosterior, all: readonly Judged[]) {
  const judged = all.filter(({ votes }) => votes[0] !== votes[1])
  const groups = byPrompt(judged)
  if (groups.length < 2) return { tooFew: `of at least 2 prompts whose votes do not tie, got ${judged.length} of ${groups.length}` }
  const texts = judged.map(({ text }) => text)
  const features = await endFeatures(lookPolicy, texts, { signal })
  const scores = scoresOf(features, posterior.mean)
  const { network, center } = posterior
  const variances = network
    ? networkVariances(network, await tangentFeatures(lookPolicy, texts, { signal }))
    : judged.map((_, i) => varianceAt(posterior, lessCenter(features, i, center)))
  const wanted = judged.map(({ votes: [forIt, against] }) => forIt > against)
  const { ece, eceIfCalibrated, bins } = calibrationOf(
    groups.flatMap((group, g) =>
      group.flatMap((i) => {
        const chance = winChance(scores[i]!, variances[i]!)
        return eachVote(judged[i]!.votes).map((forIt) => ({ group: g, chance: forIt ? chance : 1 - chance }))
      }),
    ),
  )
  const right = (i: number) => (1 + (wanted[i] ? 1 : -1) * Math.sign(scores[i]!)) / 2
  const mean = (name: string, label: boolean) => {
    const parts = groups.map((group) => group.filter((i) => wanted[i] === label).map((i) => scores[i]!)).filter(({ length }) => length > 0)
    return parts.length < 2 ? {} : { [name]: meanOf(name, parts, 'log-odds') }
  }
  const means = <Name extends string>(ofWanted: Name, ofUnwanted: Name) =>
    ({ ...mean(ofWanted, true), ...mean(ofUnwanted, false) }) as { readonly [N in Name]?: Estimate }
  return {
    n: judged.length,
    means,
    wanted: wanted.filter(Boolean).length,
    ties: all.length - judged.length,
    accuracy: meanOf(
      'accuracy',
      groups.map((group) => group.map(right)),
      'share',
      [0, 1],
    ),
    ece,
    eceIfCalibrated,
    rewardSd: Math.sqrt(variances.reduce((sum, v) => sum + v, 0) / variances.length),
    reliability: bins,
  }
}

function judgedOf({ prompt, completion, label, votes = label ? [1, 0] : [0, 1] }: Labelled): Judged {
  return { prompt, text: [...prompt, ...completion], votes }
}

/** A probability is that of one vote, of which a completion may have several; of shares of votes it is that of most of them. */
function eachVote([forIt, against]: readonly [number, number]): boolean[] {
  if (!Number.isInteger(forIt) || !Number.isInteger(against)) return [forIt > against]
  return Array.from({ length: forIt + against }, (_, i) => i < forIt)
}
