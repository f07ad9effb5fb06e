import { closestMatch } from 'leven'
import { z } from 'zod'
import { commandJudge, type Goal, type GoalPrior, goalPrior, goals, type Judge, votesFile } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { type CustomLoss, type Objective, objectiveFrom, objectives } from '../objectives/index.ts'
import { type Bound, boundSchema } from '../runs/index.ts'
import { adamw, type Optimizer, type Schedule, scheduleFrom } from '../train/index.ts'

/** Preferences from a file: pairs, or labelled completions. */
export interface FromFile {
  readonly kind: 'file'
  readonly pairs: string
  readonly shuffle: boolean
  readonly boundary: 'strict' | 'trim'
  readonly maxLength?: number
  /** Share of the prompts that is not trained on, so that accuracy can be measured there. */
  readonly heldOut: number
}

/** Preferences over the policy's own completions: sampled, paired, and put before a judge. */
export interface OnPolicy {
  readonly kind: 'onPolicy'
  /** A JSONL file with `prompt`, or the prompts themselves. */
  readonly prompts: string | readonly string[]
  readonly perPrompt: number
  /** Prompts sampled in each round; all training prompts when there are fewer. */
  readonly promptsPerRound: number
  readonly judge: Judge | JudgeByGoals
  readonly sampling: { readonly maxTokens?: number; readonly temperature: number; readonly topK?: number; readonly topP?: number }
}

/** The stated goals as the judge, with weights in log-odds per standard deviation. */
export interface JudgeByGoals {
  readonly kind: 'byGoals'
  readonly weights: Readonly<Record<string, number>>
}

/** A recipe, read and checked: the five steps in order. */
export interface Recipe {
  readonly model: string
  /** 1. */
  readonly prior?: GoalPrior
  /** How many votes the posterior's opinion of a pair is worth beside the pair's own votes. */
  readonly kappa: number
  readonly preferences: FromFile | OnPolicy
  /** 2. */
  readonly objective: Objective
  /** 3. */
  readonly loss?: CustomLoss
  /** 4. */
  readonly train: TrainSettings
  /** 5. */
  readonly accept: Readonly<Record<string, Bound>>
  readonly gold?: Goal
  readonly look: { readonly development: number; readonly sealed: number }
  readonly rounds: number
  readonly stop: { readonly klBudget?: number; readonly patience?: number }
  readonly seed: number
  readonly run?: string
}

export interface TrainSettings {
  readonly optimizer: Optimizer
  readonly schedule: Schedule
  readonly clip: number
  readonly batch: number
  readonly epochs: number
  readonly seed: number
  readonly lora?: { readonly rank: number; readonly alpha: number; readonly targets?: readonly string[] }
  readonly tokenBudget: number
  readonly checkpointSeconds: number
}

const above0 = z.number().positive()
const whole = z.int().positive()
const named = z.looseObject({ name: z.string() })
const has = <T>(key: string, what: string) => z.custom<T>((x) => typeof x === 'object' && x !== null && key in x, what)
const goalSchema = z.union([has<Goal>('measure', 'a goal'), z.enum(Object.keys(goals) as [keyof typeof goals])])
const judgeSchema = z.union([
  has<Judge>('votes', 'a judge').refine((judge) => typeof (judge as Judge).votes === 'function'),
  z.strictObject({ kind: z.literal('byGoals'), weights: z.record(z.string(), z.number()) }),
  z.strictObject({ command: z.string(), keep: z.string() }),
  z.strictObject({ votes: z.string() }),
  z.strictObject({ goals: z.record(z.string(), z.number()) }),
])

const schema = z.strictObject({
  model: z.string().min(1),
  prior: z
    .union([
      has<GoalPrior>('bits', 'goalPrior(…)'),
      z.strictObject({ goals: z.array(goalSchema), strength: z.number(), weights: z.record(z.string(), z.number()).optional() }),
    ])
    .optional(),
  kappa: z.number().min(0).default(1),
  preferences: z.union([
    z.strictObject({
      pairs: z.string(),
      shuffle: z.boolean().default(true),
      boundary: z.enum(['strict', 'trim']).default('strict'),
      maxLength: whole.optional(),
      heldOut: z.number().min(0).max(0.9).default(0),
    }),
    z.strictObject({
      prompts: z.union([z.string(), z.array(z.string()).min(1)]),
      perPrompt: z.int().min(2).default(4),
      promptsPerRound: whole.default(192),
      judge: judgeSchema,
      maxTokens: whole.optional(),
      temperature: above0.default(1),
      topK: whole.optional(),
      topP: z.number().positive().max(1).optional(),
    }),
  ]),
  objective: z.union([has<Objective>('needs', 'an objective'), named]).default(() => ({ name: 'dpo' })),
  loss: z.custom<CustomLoss>((x) => typeof x === 'function', 'a function from terms to a Value').optional(),
  train: z
    .strictObject({
      optimizer: z.union([has<Optimizer>('update', 'an optimizer'), named]).default(() => ({ name: 'adamw' })),
      schedule: z.union([z.string(), z.strictObject({ name: z.string(), warmup: z.int().min(0).optional() })]).default('constant'),
      clip: above0.default(1),
      batch: whole.default(8),
      epochs: whole.default(1),
      seed: z.int().optional(),
      lora: z.strictObject({ rank: whole, alpha: above0, targets: z.array(z.string()).min(1).optional() }).optional(),
      tokenBudget: whole.default(2048),
      checkpointSeconds: above0.default(60),
    })
    .prefault({}),
  accept: z.record(z.string(), boundSchema).default({}),
  gold: goalSchema.optional(),
  look: z.strictObject({ development: z.int().min(2).default(96), sealed: z.int().min(2).default(256) }).prefault({}),
  rounds: whole.default(3),
  stop: z.strictObject({ klBudget: above0.optional(), patience: whole.optional() }).default({}),
  seed: z.int().default(0),
  run: z.string().optional(),
})

/** What one writes: TypeScript values or plain JSON, the same fields. */
export type RecipeInput = z.input<typeof schema>

const checked = Symbol('checked')

/**
 * Checks a recipe and fills in what was left out. The fields stand in the order of the five steps.
 *
 * throws  UserError naming the field, what it may be, and the nearest name where one is misspelt
 */
export function recipe(input: RecipeInput): Recipe {
  if (typeof input === 'object' && input !== null && checked in input) return input as unknown as Recipe
  const parsed = schema.safeParse(input)
  if (!parsed.success) throw recipeError(input, parsed.error)
  const { prior, preferences, objective, train, loss, gold, run, ...rest } = parsed.data
  const made: Recipe = {
    ...rest,
    stop: withoutUndefined(rest.stop),
    ...(prior
      ? {
          prior:
            'bits' in prior
              ? prior
              : goalPrior({
                  strength: prior.strength,
                  ...(prior.weights ? { weights: prior.weights } : {}),
                  goals: prior.goals.map(goalOf),
                }),
        }
      : {}),
    preferences: 'pairs' in preferences ? { kind: 'file', ...withoutUndefined(preferences) } : onPolicyFrom(preferences),
    objective: 'needs' in objective ? (objective as Objective) : objectiveFrom(objective as { name: string }),
    ...(loss ? { loss } : {}),
    train: {
      ...withoutUndefined(train),
      optimizer: 'update' in train.optimizer ? (train.optimizer as Optimizer) : optimizerFrom(train.optimizer as { name: string }),
      schedule: scheduleFrom(withoutUndefined(typeof train.schedule === 'string' ? { name: train.schedule } : train.schedule)),
      seed: train.seed ?? rest.seed,
    } as TrainSettings,
    ...(gold ? { gold: goalOf(gold) } : {}),
    ...(run ? { run } : {}),
  }
  if (made.preferences.kind === 'onPolicy' && made.objective.kind !== 'pairs')
    throw new UserError(
      `objective.name: must be an objective of pairs for preferences from votes, got ${made.objective.name}; choose from ${pairObjectives().join(', ')}`,
    )
  return Object.defineProperty(made, checked, { value: true })
}

/** Preferences over the policy's own completions, for a recipe. */
export function onPolicy(options: Extract<RecipeInput['preferences'], { prompts: unknown }>): typeof options {
  return options
}

/** Preferences from a file, for a recipe. */
export function pairs(file: string, options: Omit<Extract<RecipeInput['preferences'], { pairs: unknown }>, 'pairs'> = {}) {
  return { pairs: file, ...options }
}

/** The stated goals as the judge, for a recipe: weights in log-odds per standard deviation, by goal. */
export function judgeByGoals(weights: Readonly<Record<string, number>>): JudgeByGoals {
  return { kind: 'byGoals', weights }
}

function onPolicyFrom({
  judge,
  prompts,
  perPrompt,
  promptsPerRound,
  ...sampling
}: Extract<z.output<typeof schema>['preferences'], { prompts: unknown }>): OnPolicy {
  return { kind: 'onPolicy', prompts, perPrompt, promptsPerRound, judge: judgeOf(judge), sampling: withoutUndefined(sampling) }
}

function judgeOf(given: z.output<typeof judgeSchema>): Judge | JudgeByGoals {
  if ('command' in given) return commandJudge(given.command, { keep: given.keep })
  if ('goals' in given) return judgeByGoals(given.goals)
  if ('kind' in given) return given as Judge | JudgeByGoals
  return votesFile((given as { votes: string }).votes)
}

function goalOf(given: Goal | keyof typeof goals): Goal {
  return typeof given === 'string' ? goals[given] : given
}

function optimizerFrom({ name, ...params }: { name: string }): Optimizer {
  if (name !== 'adamw') throw new UserError(`train.optimizer.name: must be an optimizer, got ${JSON.stringify(name)}; choose from adamw`)
  const known = Object.keys(adamw().params)
  for (const [key, value] of Object.entries(params)) {
    if (!known.includes(key))
      throw new UserError(`train.optimizer: has no field ${key}${nearest(key, known)}; its fields are ${known.join(', ')}`)
    if (typeof value !== 'number') throw new UserError(`train.optimizer.${key}: must be a number, got ${JSON.stringify(value)}`)
  }
  return adamw(params)
}

function pairObjectives(): string[] {
  return Object.values(objectives)
    .map((make) => (make as () => Objective)())
    .flatMap(({ name, kind }) => (kind === 'pairs' ? [name] : []))
}

/** The first thing that is wrong, as a sentence. */
function recipeError(input: unknown, error: z.ZodError): UserError {
  const issue = deepest(error.issues[0]!, input)
  const path = issue.path.join('.')
  const where = path === '' ? 'recipe' : `recipe: ${path}`
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(issue.path)
    const key = issue.keys[0]!
    return new UserError(`${where}: has no field ${JSON.stringify(key)}${nearest(key, known)}; its fields are ${known.join(', ')}`)
  }
  const got = issue.path.reduce((x: unknown, key) => (x as Record<PropertyKey, unknown> | undefined)?.[key], input)
  return new UserError(`${where}: ${sentence(issue)}, got ${shown(got)}`)
}

/** Inside a union, the branch that got furthest says best what is wrong. */
function deepest(issue: z.core.$ZodIssue, input: unknown): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const given = issue.path.reduce((x: unknown, key) => (x as Record<PropertyKey, unknown> | undefined)?.[key], input)
  const keys = typeof given === 'object' && given !== null ? Object.keys(given) : []
  const branches = issue.errors.map((issues) => issues.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })))
  const scored = branches.map((issues) => {
    const unknown = issues.flatMap((inner) =>
      inner.code === 'unrecognized_keys' && inner.path.length === issue.path.length ? inner.keys : [],
    )
    const missing = issues.filter(
      (inner) => inner.code === 'invalid_type' && inner.path.length === issue.path.length + 1 && !keys.includes(String(inner.path.at(-1))),
    )
    const custom = issues.some(
      (inner) => inner.code === 'custom' || (inner.code === 'invalid_type' && inner.path.length === issue.path.length),
    )
    return { issues, score: unknown.length + 2 * missing.length + (custom ? 3 : 0) }
  })
  const best = scored.sort((a, b) => a.score - b.score)[0]
  return best?.issues[0] ? deepest(best.issues[0] as z.core.$ZodIssue, input) : issue
}

function fieldsAt(path: readonly PropertyKey[]): string[] {
  const fields: Record<string, readonly string[]> = {
    '': Object.keys(schema.shape),
    train: Object.keys(schema.shape.train.unwrap().shape),
    look: ['development', 'sealed'],
    stop: ['klBudget', 'patience'],
    prior: ['goals', 'strength', 'weights'],
    preferences: [
      'pairs',
      'shuffle',
      'boundary',
      'maxLength',
      'heldOut',
      'prompts',
      'perPrompt',
      'promptsPerRound',
      'judge',
      'maxTokens',
      'temperature',
      'topK',
      'topP',
    ],
    'train.lora': ['rank', 'alpha', 'targets'],
    'train.schedule': ['name', 'warmup'],
    'preferences.judge': ['command', 'keep', 'votes', 'goals'],
  }
  return [...(fields[path.join('.')] ?? (path[0] === 'accept' ? ['atLeast', 'atMost', 'between'] : []))]
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `must be ${article(issue.expected)}`
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`
  if (issue.code === 'too_small') return `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`
  if (issue.code === 'too_big') return `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`
  return issue.code === 'custom' ? `must be ${issue.message}` : issue.message
}

function article(type: string): string {
  const name = { int: 'whole number', record: 'object' }[type] ?? type
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = typeof value === 'function' ? 'a function' : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function nearest(key: string, known: readonly string[]): string {
  const found = closestMatch(key, [...known], { maxDistance: 3 })
  return found ? ` (did you mean ${found}?)` : ''
}

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never
}
