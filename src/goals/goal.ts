/** One completion as goals and judges see it: text, never tensors. */
export interface Sample {
  readonly prompt: string
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
  /** The words the measure looks for, if it has a lexicon: a gold measure must share none of them. */
  readonly words?: ReadonlySet<string>
  /** Values one can check by hand; goals.test.ts reads them. */
  readonly known?: readonly Known[]
}

export interface Known {
  readonly when: Partial<Sample>
  readonly value: number
  readonly why: string
}

export type GoalOptions = Partial<Omit<Goal, 'name' | 'measure'>>

/**
 * Names a measure of a completion and says which way is better.
 *
 * units   the measure's own; everything downstream works in standard deviations of the reference model's samples
 */
export function goal(name: string, measure: (sample: Sample) => number, options: GoalOptions = {}): Goal {
  return { name, about: `the measure ${name}`, direction: 1, source: 'its author', ...options, measure }
}
