import { z } from 'zod'
import type { Judge } from '../goals/index.ts'

/** A reward that is learned in the run, from a judge's votes on what the policy says before each round. */
export interface LearnedReward {
  readonly learn: {
    readonly judge: Judge
    /** Training prompts whose completions are voted on before a round. */
    readonly prompts: number
    /** Completions of each, every two of which are compared. */
    readonly perPrompt: number
    /** The share of prompts whose votes are held out. */
    readonly heldOut: number
    /** It must rank more than this share of the held-out votes as they were cast. */
    readonly least: number
    /** What the head reads of the original model: the mean of this tap over a completion's tokens. */
    readonly tap: string
    /** Deviations of its doubt that are taken off each score. */
    readonly penalty: number
    /** Whether the head reads the prior's goals too, whose weights the prior is about. */
    readonly prior: boolean
  }
}

const whole = z.int().min(1)

/** What may stand under `reward.learn` besides the judge. */
export const learnFields = {
  prompts: whole.default(64),
  perPrompt: z.int().min(2).default(4),
  heldOut: z.number().gt(0).lt(1).default(0.25),
  least: z.number().min(0).lt(1).default(0.5),
  tap: z.string().min(1).default('final'),
  penalty: z.number().min(0).default(0),
  prior: z.boolean().default(false),
}
