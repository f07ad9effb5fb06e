import { z } from 'zod'

// What is measured of a model, its votes and its judges, wherever a run folder keeps it.

const some = z.exactOptional(z.number())

/** A number with its 95 % interval. `n` counts what is independent: prompts or texts, never completions. */
export const estimateSchema = z.object({
  estimate: z.number(),
  low: z.number(),
  high: z.number(),
  n: z.int().min(0),
  unit: z.string(),
  /** Why these numbers are too few or too uneven for the interval to hold: then no criterion on the measure counts as met. */
  cannotTell: z.exactOptional(z.string()),
})
export type Estimate = Readonly<z.infer<typeof estimateSchema>>

/** What a criterion demands, written the same in a JSON recipe, in a verdict and in a report. */
export const boundSchema = z.union([
  z.strictObject({ atLeast: z.number() }),
  z.strictObject({ atMost: z.number() }),
  z.strictObject({ between: z.tuple([z.number(), z.number()]).readonly() }),
])
export type Bound = Readonly<z.infer<typeof boundSchema>>

/** One criterion, measured: the interval against its bound, whether it holds, and the sentence that says so. */
export const criterionSchema = estimateSchema.extend({ name: z.string(), bound: boundSchema, met: z.boolean(), why: z.string() })
export type Criterion = Readonly<z.infer<typeof criterionSchema>>

/** How far two measures of the same completions go together. */
export const correlationSchema = z.object({ of: z.string(), with: z.string() }).extend(estimateSchema.shape)
export type Correlation = Readonly<z.infer<typeof correlationSchema>>

/**
 * Something that one should know before one trusts a verdict. An alarm changes no verdict.
 *
 * units   value, low and high those of what is watched; the bound is what they must not pass
 */
export const alarmSchema = z.object({
  alarm: z.string(),
  value: z.number(),
  low: z.number(),
  high: z.number(),
  bound: z.number(),
  why: z.string(),
  remedy: z.string(),
})
export type Alarm = Readonly<z.infer<typeof alarmSchema>>

/** The file of a training run that keeps the alarms that its steps raise. */
export const alarmsFile = 'alarms.json'
/** What that file holds. */
export const alarmsSchema = z.array(alarmSchema).readonly()

/** The share of votes for whatever stood first before the judge; a judge without a liking for a place gives half. */
export const placeSchema = z.object({ first: estimateSchema.omit({ unit: true, cannotTell: true }), alarm: z.boolean() })
export type PlaceShare = Readonly<z.infer<typeof placeSchema>>

/** How a posterior of goal weights was found: see posteriorOf. */
const foundSchema = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('laplace'),
    paretoK: z.exactOptional(z.number().nullable()),
    effectiveShare: some,
    meanOff: some,
  }),
  z.object({ method: z.literal('hmc'), rHat: z.number(), effectiveDraws: z.number(), because: z.string() }),
])

/**
 * What the prior and what the votes contributed, as the goals folder computes it, with the prior's strength.
 *
 * units   weights in log-odds per standard deviation of the goal; strength in votes
 */
export const contributionSchema = z.object({
  strength: z.number(),
  votes: z.number(),
  bits: z.object({
    prior: z.number(),
    data: z.number(),
    moved: z.number(),
    sharpened: z.number(),
    saved: z.number(),
    savedByPrior: z.number(),
    /** −log2 of the evidence: votes − saved − savedByPrior, and data + left. */
    code: some,
    left: some,
    prequential: z.exactOptional(z.object({ prior: z.number(), reference: z.number() })),
  }),
  posterior: z.exactOptional(foundSchema),
  weights: z
    .array(
      z.object({
        goal: z.string(),
        prior: z.object({ mean: z.number(), sd: z.number() }),
        posterior: z.object({ mean: z.number(), low: z.number(), high: z.number() }),
        votes: z.object({ mean: z.number(), sd: z.number(), z: z.number() }),
        fighting: z.boolean(),
      }),
    )
    .readonly(),
  /** The goals whose stated direction the votes contradict. */
  fighting: z.array(z.string()).readonly(),
})
export type ContributionRow = Readonly<z.infer<typeof contributionSchema>>

/** How two judges agree, or one judge with itself when the sides change places. */
const agreementRowSchema = z.object({
  between: z.tuple([z.string(), z.string()]).readonly(),
  /** Pairs that both judged. */
  pairs: z.int(),
  share: estimateSchema,
  kappa: estimateSchema,
})

/** What one judge said, and what it likes besides what is said: a place, or length. */
const judgeRowSchema = z.object({
  who: z.string(),
  /** Answers for one side, and the others. */
  counts: z.object({ side: z.int(), tie: z.int(), none: z.int(), skip: z.int() }),
  /** Share of its votes for the side that stood first; a half is fair. */
  first: z.exactOptional(estimateSchema),
  /** Share of its votes for the longer side. Longer texts may be better: set it beside that of a judge you trust. */
  longer: z.exactOptional(estimateSchema),
})

/** What is known of a run's judge, or of all that are compared. */
export const judgeFactsSchema = z.object({
  judges: z.array(judgeRowSchema).readonly(),
  agreement: z.array(agreementRowSchema).readonly(),
  /** Of three judges or more: all together, on what at least two of them judged. */
  together: z.exactOptional(z.object({ raters: z.int(), pairs: z.int(), share: estimateSchema, alpha: estimateSchema })),
  spent: z.exactOptional(
    z.object({ requests: z.int(), promptTokens: z.int(), completionTokens: z.int(), money: z.exactOptional(z.number()) }),
  ),
})
export type JudgeFacts = Readonly<z.infer<typeof judgeFactsSchema>>
