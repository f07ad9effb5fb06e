import type { Checkpoint } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Policy } from '../policy/index.ts'
import type { Message } from '../text/index.ts'

/** One completion as goals and judges see it: text, never tensors. */
export interface Sample {
  readonly prompt: string
  /** The talk that the prompt is, where it is one; `prompt` is then the same as plain text. */
  readonly messages?: readonly Message[]
  /** The completion alone, without special tokens. */
  readonly text: string
  readonly tokens: number
  /** Whether the model emitted its end token, rather than running into the limit. */
  readonly ended: boolean
}

/** A named measure of a completion with a direction: +1 where more is wanted, −1 where less is. */
export interface Goal {
  readonly name: string
  readonly about: string
  readonly measure: (sample: Sample) => number
  readonly direction: 1 | -1
  readonly source: string
  /** What the measure can be at all. Its rise then has an interval that holds for any law in the range, often a wider one. */
  readonly range?: readonly [low: number, high: number]
  /** The words the measure looks for, if it has a lexicon: a gold measure must share none of them. */
  readonly words?: ReadonlySet<string>
  /** Where the measure needs a model: reads samples in the frozen reference before anything is measured of them. */
  readonly read?: (samples: readonly Sample[], by: ReadBy, onBatch?: () => void) => Promise<void>
  /** Where the measure needs a model: refuses one that it can not be read in, before anything is sampled. */
  readonly check?: (by: ReadBy) => Promise<void>
  /** What a ready-made goal was made of, plain; goals of one maker differ by it. */
  readonly params?: Readonly<Record<string, unknown>>
  /** Values one can check by hand; goals.test.ts reads them. */
  readonly known?: readonly Known[]
}

/** The frozen reference model, as goals read samples in it. */
export interface ReadBy {
  readonly policy: Policy
  readonly checkpoint: Pick<Checkpoint, 'name' | 'hash' | 'tokenizer' | 'eosIds'>
}

/** Lets every goal that needs a model read samples in it; a sample it has read before costs nothing. */
export async function readSamples(goals: readonly Goal[], samples: readonly Sample[], by: ReadBy, onBatch?: () => void): Promise<void> {
  for (const { read } of goals) await read?.(samples, by, onBatch)
}

/** Lets every goal that needs a model refuse one that it can not be read in. */
export async function checkGoals(goals: readonly Goal[], by: ReadBy): Promise<void> {
  for (const { check } of goals) await check?.(by)
}

export interface Known {
  readonly when: Partial<Sample>
  readonly value: number
  readonly why: string
}

export type GoalOptions = Partial<Omit<Goal, 'name' | 'measure'>>

/** What may be said of any ready-made goal. */
export interface MadeOptions extends Pick<GoalOptions, 'direction' | 'range'> {
  /** What it is called among the goals of a recipe. */
  readonly as?: string
}

/** A ready-made goal under another name, direction or range. */
export function remade(ready: Goal, { as = ready.name, direction = ready.direction, range }: MadeOptions): Goal {
  const { name: _, measure, ...options } = ready
  return goal(as, measure, { ...options, direction, ...(range ? { range } : {}) })
}

/**
 * Names a measure of a completion and says which way is better.
 *
 * units   the measure's own, the range too; everything downstream works in standard deviations, of the reference model's samples or of the completions that a file brings
 * throws  UserError when the range does not go from low to high
 */
export function goal(name: string, measure: (sample: Sample) => number, options: GoalOptions = {}): Goal {
  const { range } = options
  if (range && !(range[0] < range[1] && range.every(Number.isFinite)))
    throw new UserError(`goal ${name}: range must be two finite numbers, from low to high, got ${range.join(' and ')}; turn them round`)
  return { name, about: `the measure ${name}`, direction: 1, source: 'its author', ...options, measure }
}
