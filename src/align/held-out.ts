import { z } from 'zod'
import { meanOf } from '../accept/index.ts'
import { scoreTrees, type Tree } from '../policy/index.ts'
import { type Labelled, labelledTree, type Pair, pairTree } from '../preferences/index.ts'
import { estimateSchema } from '../runs/index.ts'
import { heeding, type Models } from './open-models.ts'

/**
 * What held-out pairs say of a trained policy: the share whose better side, by its votes, the policy raised more than the other, and both
 * log-ratios; prompts are resampled. `chosen` is the side with more votes, whatever its column; pairs whose votes tie are left out, and so are gaps.
 */
export const heldOutSchema = z.object({
  pairs: z.int(),
  ties: z.int().default(0),
  /** Without a preference: `"gap": true`. */
  gaps: z.int().default(0),
  accuracy: estimateSchema,
  chosenLogRatio: estimateSchema,
  rejectedLogRatio: estimateSchema,
})
export type HeldOut = Readonly<z.infer<typeof heldOutSchema>>

/**
 * What held-out labelled completions say: the share that moved the way of its label (a wanted one up from the reference, an unwanted one
 * down; half where it stayed), and the log-ratios of both kinds, each where at least two prompts have some.
 */
export const heldOutLabelledSchema = z.object({
  completions: z.int(),
  wanted: z.int(),
  labelAccuracy: estimateSchema,
  wantedLogRatio: estimateSchema.optional(),
  unwantedLogRatio: estimateSchema.optional(),
})
export type HeldOutLabelled = Readonly<z.infer<typeof heldOutLabelledSchema>>

/** What rows that were not trained on say of the trained policy; or why there are too few of them. */
export function measureHeldOut(models: Models, rows: readonly (Pair | Labelled)[]): Promise<Measured> {
  const { lookPolicy, reference } = models
  const heard = heeding(models)
  return logRatioMeasures(async (trees) => {
    const [mine, theirs] = [await scoreTrees(lookPolicy, trees, {}, heard), await reference.logps(trees, heard)]
    return mine.map((logp, i) => logp - theirs[i]!)
  }, rows)
}

type Measured = HeldOut | HeldOutLabelled | { readonly tooFew: string }
/** Of each completion, in the order of trees and completions. units nats */
type LogRatios = (trees: readonly Tree[]) => Promise<readonly number[]>

/** The same from any log-ratios. */
export async function logRatioMeasures(logRatios: LogRatios, rows: readonly (Pair | Labelled)[]): Promise<Measured> {
  const labelled = rows.filter((row): row is Labelled => 'label' in row)
  if (labelled.length > 0) return ofLabelled(logRatios, labelled)
  const all = rows.filter((row): row is Pair => 'chosen' in row)
  const pairs = all.filter(({ gap }) => !gap)
  const gaps = all.length - pairs.length
  const decided = pairs.filter(({ votes: [a, b] }) => a !== b).map(byVotes)
  const ties = pairs.length - decided.length
  const prompts = byPrompt(decided)
  if (prompts.length < 2)
    return {
      tooFew: `pairs on at least 2 prompts whose votes do not tie, got ${decided.length} on ${prompts.length} and ${ties} ties${gaps > 0 ? ` and ${gaps} gaps` : ''}`,
    }
  const ratios = await logRatios(decided.map(pairTree))
  const ratio = (i: number, side: 0 | 1) => ratios[2 * i + side]!
  const groups = (f: (i: number) => number) => prompts.map((group) => group.map(f))
  const side = (name: string, which: 0 | 1) => meanOf(name, groups((i) => ratio(i, which)), 'nats') // biome-ignore format: one line
  const right = groups((i) => (Math.sign(ratio(i, 0) - ratio(i, 1)) + 1) / 2)
  return {
    pairs: decided.length,
    ties,
    gaps,
    accuracy: meanOf('accuracy', right, 'share', [0, 1]),
    chosenLogRatio: side('chosenLogRatio', 0),
    rejectedLogRatio: side('rejectedLogRatio', 1),
  }
}

/** The same pair with the side that has more votes as the chosen one. */
export function byVotes(pair: Pair): Pair {
  const { chosen, rejected, votes } = pair
  return votes[0] > votes[1]
    ? pair
    : { row: pair.row, prompt: pair.prompt, chosen: rejected, rejected: chosen, votes: [votes[1], votes[0]] }
}

async function ofLabelled(logRatios: LogRatios, rows: readonly Labelled[]): Promise<Measured> {
  const prompts = byPrompt(rows)
  if (prompts.length < 2) return { tooFew: `completions of at least 2 prompts, got ${rows.length} of ${prompts.length}` }
  const ratios = await logRatios(rows.map(labelledTree))
  const right = prompts.map((group) => group.map((i) => (1 + (rows[i]!.label ? 1 : -1) * Math.sign(ratios[i]!)) / 2))
  const means = (name: string, label: boolean) => {
    const groups = prompts
      .map((group) => group.filter((i) => rows[i]!.label === label).map((i) => ratios[i]!))
      .filter((group) => group.length > 0)
    return groups.length < 2 ? {} : { [name]: meanOf(name, groups, 'nats') }
  }
  const wanted = rows.filter(({ label }) => label).length
  return {
    completions: rows.length,
    wanted,
    labelAccuracy: meanOf('labelAccuracy', right, 'share', [0, 1]),
    ...means('wantedLogRatio', true),
    ...means('unwantedLogRatio', false),
  }
}

/** Places of the rows that share a prompt. */
export function byPrompt(rows: readonly { readonly prompt: readonly number[] }[]): number[][] {
  const groups = new Map<string, number[]>()
  rows.forEach(({ prompt }, i) => {
    const key = prompt.join(' ')
    groups.set(key, [...(groups.get(key) ?? []), i])
  })
  return [...groups.values()]
}
