import { z } from 'zod'
import { judgeKinds } from '../goals/judges/judge.ts'

// Everything a run folder holds, as one schema: train and align write it; accept, the report, the command line and the studio read it.

/** Plain JSON: what a recipe is once its functions have become their text. */
const json = z.json()

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

const some = z.exactOptional(z.number())

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
  spent: z.exactOptional(
    z.object({ requests: z.int(), promptTokens: z.int(), completionTokens: z.int(), money: z.exactOptional(z.number()) }),
  ),
})
export type JudgeFacts = Readonly<z.infer<typeof judgeFactsSchema>>

/** What an audit says of a tensor. */
export const findings = ['found', 'clean', 'declared', 'cannot tell'] as const
export type Finding = (typeof findings)[number]

/** What one audit measured of one trained tensor. */
export const auditRowSchema = z.object({
  channel: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)]),
  audit: z.string(),
  /** By its name, such as `blocks.1.mlp.up`. */
  tensor: z.string(),
  /** Above its threshold it is an alarm; null where nothing could be measured. */
  statistic: z.number().nullable(),
  /** What the statistic is where nothing is hidden, where that was measured too. */
  null: z.number().nullable(),
  threshold: z.number(),
  finding: z.enum(findings),
  why: z.string(),
})
export type AuditRow = Readonly<z.infer<typeof auditRowSchema>>

/** What all rows of an audit come to. */
export const auditVerdictSchema = z.object({
  verdict: z.enum(['clean', 'found', 'cannot tell']),
  found: z.int().min(0),
  declared: z.int().min(0),
  unmeasured: z.int().min(0),
  /** The channels that were measured on every trained tensor. */
  channels: z.array(z.int()).readonly(),
})
export type AuditVerdict = Readonly<z.infer<typeof auditVerdictSchema>>

/** `audits.json`: what was found in the graph and in the steps of a training as it went, and the whole audit where it was asked for. */
export const auditsSchema = z.object({
  rows: z.array(auditRowSchema).readonly(),
  verdict: z.exactOptional(auditVerdictSchema),
  alarms: z.exactOptional(z.array(alarmSchema).readonly()),
})
export type Audits = Readonly<z.infer<typeof auditsSchema>>

/** One look at a model: on the development slice after each round, on the sealed prompts once. */
export const evaluationSchema = z.object({
  round: z.int().min(0),
  look: z.enum(['development', 'sealed']),
  prompts: z.int().min(0),
  criteria: z.array(criterionSchema).readonly(),
  /** Everything that was measured, by name, bounded or not: `winRate`, `gold`, `klFromReference`, one per goal, … */
  measures: z.record(z.string(), estimateSchema),
  /** What stop rules read, with the wider intervals of their part of the risk; looks of earlier versions have none, and are read by `measures`. */
  stops: z.exactOptional(z.record(z.string(), estimateSchema)),
  correlations: z.array(correlationSchema).readonly(),
  contribution: contributionSchema.optional(),
  place: z.exactOptional(placeSchema),
  alarms: z.exactOptional(z.array(alarmSchema).readonly()),
})
export type Evaluation = Readonly<z.infer<typeof evaluationSchema>>

/** `verdict.json`: how a run ended, its criteria, and the reasons. */
export const verdictSchema = z.object({
  verdict: z.enum(['accepted', 'rejected', 'out of budget', 'cannot tell']),
  /** How many rounds were run, and which of them the verdict speaks of. */
  rounds: z.int().min(0),
  round: z.int().min(0).optional(),
  look: z.enum(['development', 'sealed']),
  criteria: z.array(criterionSchema).readonly(),
  reasons: z.array(z.string()).readonly(),
  /** Of the look that the verdict speaks of, as all that follows. */
  alarms: z.exactOptional(z.array(alarmSchema).readonly()),
  place: z.exactOptional(placeSchema),
  /** The gold measure, bounded or not. */
  gold: z.exactOptional(estimateSchema),
  /** Of a judge that keeps what it said: people, a model, an endpoint. */
  judged: z.exactOptional(judgeFactsSchema),
})
export type Verdict = Readonly<z.infer<typeof verdictSchema>>

/**
 * One optimizer step, of preferences or of texts; a custom loss adds terms of its own.
 *
 * units   log-ratios, margin and kl in nats per completion (never multiplied by beta), gradNorm before clipping; the loss of texts in nats
 *         per token
 */
export const metricsSchema = z
  .object({
    /** 0 in a plain training run. */
    round: z.int().min(0),
    step: z.int().min(1),
    loss: z.number(),
    /** What follows, up to rejectedTokens, is of preferences. */
    chosenLogRatio: some,
    rejectedLogRatio: some,
    margin: some,
    accuracy: some,
    kl: some,
    chosenTokens: some,
    rejectedTokens: some,
    /** Of texts: how many tokens the step predicted. */
    tokens: some,
    /** Of texts that are not trained on, where they were measured after this step. */
    bitsPerByte: some,
    gradNorm: z.number(),
    lr: z.number(),
    tokensPerSecond: z.number(),
  })
  .catchall(z.number())
export type Metrics = Readonly<z.infer<typeof metricsSchema>>

const storySchema = z.object({ text: z.string(), tokens: z.int().min(0), ended: z.boolean() })

/** One prompt, completed by the reference and by the policy; which prompts are kept is fixed before anything is sampled. */
export const sampleSchema = z.object({
  prompt: z.string(),
  reference: storySchema,
  policy: storySchema,
  /** Votes of the judge: for the policy, for the reference. */
  votes: z.tuple([z.number(), z.number()]).readonly().optional(),
  /** Each time that the judge was asked: which side stood first, and its votes in the order of `votes`. */
  askings: z
    .array(z.object({ first: z.enum(['policy', 'reference']), votes: z.tuple([z.number(), z.number()]).readonly() }))
    .readonly()
    .optional(),
  /** Of a training run: which part of its file the prompt is from. */
  slice: z.exactOptional(z.enum(['held out', 'trained on'])),
})
export type SampleRow = Readonly<z.infer<typeof sampleSchema>>

/** A file of data: what it is, and what became of its rows. */
export const dataSchema = z.object({
  role: z.string(),
  path: z.string(),
  sha256: z.string(),
  rows: z.int().min(0),
  used: z.int().min(0),
  /** Rows set aside, by reason. */
  quarantined: z.record(z.string(), z.int().min(0)).default({}),
  /** Pairs without a preference, where there are some. */
  gaps: z.exactOptional(z.int().positive()),
  /** Prompts: groups of near duplicates, each kept in one part, and how many prompts are in one. */
  nearDuplicates: z.exactOptional(z.object({ groups: z.int().min(0), prompts: z.int().min(0) })),
})
export type DataFile = Readonly<z.infer<typeof dataSchema>>

/** `parts.json`: the prompts of each part, as texts. */
export const partsSchema = z.object({
  train: z.array(z.string()).readonly(),
  development: z.array(z.string()).readonly(),
  sealed: z.array(z.string()).readonly(),
})
export type Parts = Readonly<z.infer<typeof partsSchema>>

/** What was checked of a gold measure against a goal or a judge. */
export const goldAgainstSchema = z.object({
  of: z.string(),
  function: z.enum(['another', 'unknown']),
  words: z.enum(['none shared', 'not declared', 'unknown']),
})
export type GoldAgainst = Readonly<z.infer<typeof goldAgainstSchema>>

/** What a run is, written before its first step: enough to tell it apart and to do it again. */
export const manifestSchema = z.object({
  schema: z.literal(1),
  kind: z.enum(['train', 'align']),
  name: z.string(),
  /** The command line that reproduces the run. */
  command: z.string(),
  recipe: json,
  /** The custom loss: as its author wrote it, or as a loader made it where that is not known. */
  loss: z
    .object({
      text: z.string(),
      sha256: z.string(),
      asWritten: z.exactOptional(z.literal(true)),
      /** The sha256 of what it computes, constants included; runs of earlier versions have none. */
      traced: z.exactOptional(z.string()),
    })
    .optional(),
  objective: z.object({
    name: z.string(),
    about: z.string().optional(),
    /** What it learns from: pairs, labelled completions, tokens, … */
    kind: z.exactOptional(z.string()),
    params: z.record(z.string(), json),
  }),
  judge: z
    .object({
      name: z.string(),
      kind: z.enum(judgeKinds),
      about: z.string(),
      /** Of a command: the sha256 of each of its words that is a file, when the run began. */
      files: z.exactOptional(z.record(z.string(), z.string())),
    })
    .optional(),
  goals: z
    .array(z.object({ name: z.string(), about: z.string(), direction: z.union([z.literal(1), z.literal(-1)]) }))
    .readonly()
    .default([]),
  /** The gold measure, and what was checked of it before the run. */
  gold: z.object({ name: z.string(), about: z.string(), checks: z.exactOptional(z.array(goldAgainstSchema).readonly()) }).optional(),
  model: z.object({ name: z.string(), sha256: z.string(), parameters: z.int().min(0), trained: z.int().min(0).optional() }),
  data: z.array(dataSchema).readonly().default([]),
  /** The files of the recipe's edit, in their order. */
  edits: z.exactOptional(z.array(z.object({ name: z.string(), sha256: z.string() })).readonly()),
  /** Other files that the recipe's code names, such as probes, by where they were. */
  files: z.exactOptional(z.array(z.object({ name: z.string(), sha256: z.string() })).readonly()),
  seeds: z.record(z.string(), z.int()),
  versions: z.object({ innate: z.string(), node: z.string(), onnxruntime: z.string() }),
  started: z.iso.datetime(),
  /** Other token budgets that the run was gone on with, and when. */
  budgets: z
    .array(z.object({ at: z.iso.datetime(), tokenBudget: z.int() }))
    .readonly()
    .optional(),
  ended: z.iso.datetime().optional(),
})
export type Manifest = Readonly<z.infer<typeof manifestSchema>>

/** What the maker of a run has to say; name, schema and start are filled in when the folder is made. */
export type NewManifest = Omit<z.input<typeof manifestSchema>, 'schema' | 'name' | 'started' | 'budgets' | 'ended'>
