import { z } from 'zod'
import { judgeKinds } from '../goals/judges/judge.ts'
import {
  alarmSchema,
  contributionSchema,
  correlationSchema,
  criterionSchema,
  estimateSchema,
  judgeFactsSchema,
  placeSchema,
} from './measured-schema.ts'

// Everything a run folder holds, as one schema: train and align write it; accept, the report, the command line and the studio read it.

/** Plain JSON: what a recipe is once its functions have become their text. */
const json = z.json()

export * from './audit-schema.ts'
export * from './measured-schema.ts'

const some = z.exactOptional(z.number())

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
  /** The prompt is a talk, which the completion answers rather than goes on with. */
  talk: z.exactOptional(z.literal(true)),
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
  model: z.object({
    ...{ name: z.string(), sha256: z.string(), parameters: z.int().min(0), trained: z.int().min(0).optional() },
    /** The types of GGUF that its weights come in. */
    types: z.array(z.string()).optional(),
  }),
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
