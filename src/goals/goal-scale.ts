import { UserError } from '../graph/errors.ts'
import { isConstant } from './constant.ts'
import type { Goal, Sample } from './goal.ts'

/** The scale of each goal: mean and standard deviation over samples of the reference model, or over the completions that a file brings. */
export interface GoalScale {
  readonly goals: readonly Goal[]
  readonly mean: readonly number[]
  readonly sd: readonly number[]
  readonly samples: number
}

/**
 * Measures goals on samples of the reference model, so that weights on them can be told in log-odds per standard deviation.
 *
 * throws  UserError when two goals share a name, when a measure is not a finite number, or when a goal does not vary: it then has no unit
 */
export function goalScale(goals: readonly Goal[], samples: readonly Sample[]): GoalScale {
  const twice = goals.find((goal, k) => goals.findIndex((other) => other.name === goal.name) !== k)
  if (twice) throw new UserError(`goals: names must differ, got ${twice.name} twice; rename one`)
  const columns = goals.map((goal) => samples.map((sample) => measured(goal, sample)))
  const mean = columns.map((values) => values.reduce((sum, v) => sum + v, 0) / values.length)
  const sd = columns.map((values, k) => Math.sqrt(values.reduce((sum, v) => sum + (v - mean[k]!) ** 2, 0) / (values.length - 1)))
  goals.forEach((goal, k) => {
    if (samples.length > 1 && !isConstant(columns[k]!)) return
    const came = samples.length < 2 ? `${samples.length} sample(s)` : `${mean[k]} on all ${samples.length}`
    throw new UserError(
      `goal ${goal.name}: must vary on the completions that its scale is taken from, got ${came}; sample more or longer, or drop this goal`,
      { inRecipe: true },
    )
  })
  return { goals, mean, sd, samples: samples.length }
}

/** Where a sample stands on each goal, in standard deviations from the reference model's mean. */
export function scores({ goals, mean, sd }: GoalScale, sample: Sample): number[] {
  return goals.map((goal, k) => (measured(goal, sample) - mean[k]!) / sd[k]!)
}

/** The range of each goal on this scale, wider by a part in 10⁹ for what rounding adds; undefined where none is declared. */
export function scaledRanges({ goals, mean, sd }: GoalScale): (readonly [low: number, high: number] | undefined)[] {
  return goals.map(({ range }, k) => {
    if (!range) return undefined
    const [low, high] = [(range[0] - mean[k]!) / sd[k]!, (range[1] - mean[k]!) / sd[k]!]
    return [low - 1e-9 * (high - low), high + 1e-9 * (high - low)]
  })
}

/** The features of a pair, x = φ(a) − φ(b): by how many standard deviations a has more of each goal's measure than b. */
export function features({ goals, sd }: GoalScale, a: Sample, b: Sample): number[] {
  return goals.map((goal, k) => (measured(goal, a) - measured(goal, b)) / sd[k]!)
}

/** A sample is met in several pairs and looks, and goals are functions of it. */
const known = new WeakMap<Goal, WeakMap<Sample, number>>()

function measured(goal: Goal, sample: Sample): number {
  const values = known.get(goal) ?? new WeakMap<Sample, number>()
  known.set(goal, values)
  const before = values.get(sample)
  if (before !== undefined) return before
  const value = measure(goal, sample)
  values.set(sample, value)
  return value
}

function measure(goal: Goal, sample: Sample): number {
  const wrong = (got: unknown, cause?: unknown) =>
    new UserError(
      `goal ${goal.name}: must measure a finite number, got ${got} on ${JSON.stringify(sample.text.slice(0, 60))}; mend its measure`,
      { cause, inRecipe: true },
    )
  let value: number
  try {
    value = goal.measure(sample)
  } catch (cause) {
    throw cause instanceof UserError ? cause : wrong(cause, cause)
  }
  const { range } = goal
  if (range && (value < range[0] || value > range[1]))
    throw new UserError(
      `goal ${goal.name}: must measure within its range ${range[0]} … ${range[1]}, got ${value} on ${JSON.stringify(sample.text.slice(0, 60))}; mend its measure or its range`,
      { inRecipe: true },
    )
  if (Number.isFinite(value)) return value
  throw wrong(value)
}
