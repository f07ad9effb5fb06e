import { z } from 'zod'
import { type Declarable, declarable } from '../audits/declaration.ts'
import type { Goal, GoalPrior, Judge } from '../goals/index.ts'
import { sampledWeights } from '../models/index.ts'
import type { CustomLoss, Objective } from '../objectives/index.ts'
import type { Edit, Feeds } from '../policy/index.ts'
import { columnNames, roles, truncations } from '../preferences/index.ts'
import type { Reward } from '../rewards/index.ts'
import { type Bound, boundSchema } from '../runs/index.ts'
import type { Optimizer } from '../train/index.ts'
import { madeGoalSchema, readyNames } from './goal-schema.ts'
import { learnFields } from './learned-reward.ts'
import type { Reading } from './reading.ts'

const above0 = z.number().positive()
const whole = z.int().positive()
const named = z.looseObject({ name: z.string() })
/** A TypeScript value that plain JSON cannot be; `abort` lets the other forms of a field say what is wrong with it too. */
const value = <T>(holds: (x: Record<string, unknown>) => boolean, what: string) =>
  z.custom<T>((x) => typeof x === 'object' && x !== null && holds(x as Record<string, unknown>), { error: what, abort: true })

const goalSchema = z.union([value<Goal>(({ measure }) => typeof measure === 'function', 'goal(…)'), z.enum(readyNames), madeGoalSchema])

const endpointSchema = z.strictObject({
  url: z.string(),
  model: z.string().min(1),
  keep: z.string(),
  question: z.string().optional(),
  keyFrom: z.string().optional(),
  price: z.strictObject({ prompt: z.number().min(0), completion: z.number().min(0) }).optional(),
  budget: above0.optional(),
  atOnce: whole.max(64).optional(),
  timeoutSeconds: above0.max(3600).optional(),
})

/** Whoever compares two completions. */
export const judgeSchema = z.union([
  value<Judge>(({ votes }) => typeof votes === 'function', 'a judge'),
  z.strictObject({ kind: z.literal('byGoals'), weights: z.record(z.string(), z.number()) }),
  z.strictObject({ command: z.string(), keep: z.string() }),
  z.strictObject({ votes: z.string() }),
  z.strictObject({ people: z.string() }),
  z.strictObject({ endpoint: endpointSchema }),
  z.strictObject({
    model: z.string().min(1),
    by: z.enum(['logp', 'answer']).optional(),
    keep: z.string(),
    question: z.string().optional(),
  }),
  z.strictObject({ goals: z.record(z.string(), z.number()) }),
])

const rewardSchema = z.union([
  value<Reward>(({ score }) => typeof score === 'function', 'a reward'),
  z.strictObject({ goals: z.record(z.string(), z.number()) }),
  z.strictObject({ folder: z.string().min(1) }),
  z.strictObject({ learn: z.strictObject({ judge: judgeSchema, ...learnFields }) }),
  z.strictObject({ command: z.string().trim().min(1), timeoutSeconds: above0.max(86_400).optional(), tries: whole.max(10).optional() }),
])

const columns = z.partialRecord(z.enum(columnNames), z.string().min(1)).optional()

const fromFile = z.strictObject({
  pairs: z.string(),
  shuffle: z.boolean().default(true),
  boundary: z.enum(['strict', 'trim']).default('strict'),
  maxLength: whole.optional(),
  truncate: z.enum(truncations).default('none'),
  columns,
  heldOut: z.number().min(0).max(0.9).default(0),
})

const fromRollouts = z.strictObject({
  rollouts: z.string(),
  shuffle: z.boolean().default(false),
})

const textsSchema = z.strictObject({
  file: z.string(),
  shuffle: z.boolean().default(true),
  boundary: z.enum(['strict', 'trim']).default('strict'),
  maxLength: whole.optional(),
  columns,
  heldOut: z.number().min(0).max(0.9).default(0),
  measureEvery: whole.default(100),
})

const turn = z.looseObject({ role: z.enum(roles), content: z.string() })

const fromPolicy = z.strictObject({
  prompts: z.union([z.string(), z.array(z.union([z.string(), z.array(turn).min(1)])).min(1)]),
  perPrompt: z.int().min(2).default(4),
  compare: z.enum(['ring', 'all']).default('ring'),
  trainOn: z.enum(['all', 'extremes']).default('all'),
  sdPenalty: z.number().min(0).optional(),
  promptsPerRound: whole.default(192),
  rollout: whole.optional(),
  judge: judgeSchema.optional(),
  order: z.enum(['half', 'both']).default('half'),
  maxTokens: whole.optional(),
  temperature: above0.default(1),
  topK: whole.optional(),
  topP: above0.max(1).optional(),
  weights: z.enum(sampledWeights).optional(),
})

const shutdownSchema = z.strictObject({
  tasks: z.string().optional(),
  evals: z.string().optional(),
  harmless: z.string().optional(),
  sycophancy: z.string().optional(),
  tasksPerRound: whole.optional(),
  rollout: whole.optional(),
})

const form = z.enum(['gaussian', 'laplace'])

const priorSchema = z.strictObject({
  goals: z.array(goalSchema),
  strength: z.number().optional(),
  bits: z.number().optional(),
  weights: z.record(z.string(), z.number()).optional(),
  covariance: z.array(z.array(z.number())).optional(),
  form: z.union([form, z.record(z.string(), form)]).optional(),
  signs: z.record(z.string(), z.enum(['positive', 'negative'])).optional(),
  posterior: z.enum(['auto', 'laplace', 'hmc']).optional(),
})

const loraSchema = z.strictObject({
  rank: whole,
  alpha: above0,
  targets: z.array(z.string()).min(1).optional(),
  layers: z.array(z.int().min(0)).min(1).optional(),
  dropout: z.number().min(0).max(0.9).optional(),
  rslora: z.boolean().optional(),
  dora: z.boolean().optional(),
})

const trainedEditSchema = z.strictObject({
  rank: whole,
  sites: z.array(z.string().min(1)).min(1),
  controlKl: above0.optional(),
})

const trainSchema = z.strictObject({
  optimizer: z
    .union([value<Optimizer>(({ update }) => typeof update === 'function', 'an optimizer'), named])
    .default(() => ({ name: 'adamw' })),
  schedule: z.union([z.string(), z.strictObject({ name: z.string(), warmup: z.int().min(0).optional() })]).default('constant'),
  clip: z
    .union([above0, z.strictObject({ norm: above0 }), z.strictObject({ value: above0 }), z.strictObject({ perGroup: above0 })])
    .default(1),
  batch: whole.default(8),
  batchGrowth: z.number().min(0).max(1).optional(),
  epochs: whole.default(1),
  seed: z.int().optional(),
  lora: loraSchema.optional(),
  edit: trainedEditSchema.optional(),
  tokenBudget: whole.default(2048),
  blockwise: z.boolean().optional(),
  checkpointSeconds: above0.default(60),
})

const edit = z.custom<Edit>((x) => typeof x === 'function', 'a function (name, x, at) => Value')

const editSchema = z.strictObject({
  apply: edit,
  at: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  feeds: z.custom<Feeds>((x) => typeof x === 'function', 'a function that returns tensors by name').optional(),
  policy: z.boolean().default(true),
  reference: z.boolean().default(false),
  looks: z.boolean().default(true),
})

const editFile = z.string().min(1)
const editFiles = z.array(editFile).min(1)

const editFilesSchema = z.strictObject({
  files: z.union([editFile, editFiles]),
  policy: z.boolean().default(true),
  reference: z.boolean().default(false),
  looks: z.boolean().default(true),
})

const auditSchema = z.strictObject({
  declare: z
    .array(
      z.strictObject({
        tensor: z.string().min(1),
        as: z.enum(Object.keys(declarable) as [Declarable]),
        reason: z.string().trim().min(1),
      }),
    )
    .default([]),
  every: whole.optional(),
})

/** A recipe as one writes it, TypeScript values or plain JSON; the fields stand in the order of the five steps. */
export const recipeSchema = z.strictObject({
  model: z.string().min(1),
  fresh: z.boolean().optional(),
  edit: z.union([edit, editFile, editFiles, editSchema, editFilesSchema]).optional(),
  prior: z.union([value<GoalPrior>((x) => 'logDensity' in x, 'goalPrior(…)'), priorSchema]).optional(),
  gap: z.strictObject({ weight: above0 }).optional(),
  kappa: z.number().min(0).default(1),
  tiltReference: z.boolean().optional(),
  preferences: z.union([fromFile, fromRollouts, fromPolicy]).optional(),
  reward: rewardSchema.optional(),
  texts: textsSchema.optional(),
  shutdown: shutdownSchema.optional(),
  objective: z.union([value<Objective>((x) => 'needs' in x, 'an objective'), named]).optional(),
  loss: z.custom<CustomLoss>((x) => typeof x === 'function', 'a function from terms to a Value').optional(),
  train: trainSchema.prefault({}),
  accept: z.record(z.string(), boundSchema).default({}),
  gold: goalSchema.optional(),
  look: z
    .strictObject({
      development: z.int().min(2).default(96),
      sealed: z.int().min(2).default(256),
      perPrompt: whole.default(1),
      scored: z.int().min(2).optional(),
      texts: z.string().optional(),
    })
    .prefault({}),
  rounds: whole.default(3),
  keepRounds: whole.default(2),
  stop: z
    .strictObject({
      klBudget: above0.optional(),
      patience: whole.optional(),
      runaway: whole.optional(),
      disagreement: z.number().gt(1).optional(),
      guards: z.record(z.string(), boundSchema).optional(),
    })
    .default({}),
  seed: z.int().default(0),
  inside: z
    .union([z.literal(false), z.array(value<Reading>(({ read }) => typeof read === 'function', 'a reading, such as refit(…)'))])
    .optional(),
  audit: auditSchema.optional(),
  run: z.string().optional(),
})

/** What one writes: TypeScript values or plain JSON, the same fields; of an audit one writes `clean`, which is a measure of 1. */
export type RecipeInput = Omit<z.input<typeof recipeSchema>, 'accept'> & {
  readonly accept?: Readonly<Record<string, Bound | 'clean'>> | undefined
}
export type ParsedRecipe = z.output<typeof recipeSchema>
