import { meanInterval } from '../../accept/index.ts'
import { type Changes, norm } from './edit-form.ts'
import type { Factors } from './factor-form.ts'
import type { Measured, Searched, Wanted } from './searched.ts'

/** Texts that an edit is decided on, and what it must reach there. */
export interface Decision {
  /** Target rows held out; of their completions whether they are the likeliest. */
  readonly heldOut: Wanted
  readonly paraphrases: Wanted | undefined
  /** The same target rows with the predictions of the teacher. */
  readonly taught: Wanted | undefined
  readonly control: Wanted
  /** Which of the control texts were not searched on. */
  readonly controlHeld: readonly number[]
  readonly success: number
  readonly budget: number
}

/** What an edit does on texts that it was not searched on. */
export interface Decided {
  readonly meets: boolean
  /** Share of rows held out on which the completion is the likeliest. */
  readonly success: number
  readonly rows: readonly number[]
  readonly paraphrases: number | undefined
  /** Share of KL(teacher ‖ model) on rows held out that is gone. */
  readonly explained: number | undefined
  /** KL(teacher ‖ model) there, nats per token. */
  readonly taughtKl: number | undefined
  /** Nats per token: on all control texts, and on those not searched on. */
  readonly controlKl: number
  readonly controlKlHeldOut: number
}

/** Scores of the likeliest token may differ by rounding alone. */
const tie = 1e-3

/**
 * Measures a model as it now is. `taughtBefore` is KL(teacher ‖ model) of the model without an edit. In brief, what fails on the rows held out is not read on
 * control texts, and those numbers are then NaN.
 */
export async function decide(of: Decision, taughtBefore?: number, brief = false): Promise<Decided> {
  const rows = await said(of.heldOut)
  const paraphrases = of.paraphrases && meanOf(await said(of.paraphrases))
  const taughtKl = of.taught && perToken(await of.taught.measure())
  const success = meanOf(rows)
  const explained = taughtKl === undefined ? undefined : 1 - taughtKl / (taughtBefore ?? taughtKl)
  const shares = [success, paraphrases ?? 1, explained ?? 1]
  const control = brief && shares.some((share) => share < of.success) ? [] : await of.control.measure()
  const [controlKl, controlKlHeldOut] = control.length === 0 ? [Number.NaN, Number.NaN] : [perToken(control), perToken(of.controlHeld.map((i) => control[i]!))] // biome-ignore format: one line
  return {
    meets: shares.every((share) => share >= of.success) && Math.max(controlKl, controlKlHeldOut) <= of.budget,
    ...{ success, rows, paraphrases, explained, taughtKl, controlKl, controlKlHeldOut },
  }
}

/** The share of rows held out with its interval. */
export function successInterval({ rows }: Decided) {
  return meanInterval('success', rows, 'share', [0, 1])
}

/** By text, 1 where each token of its completion is the likeliest. */
export async function said(texts: Wanted): Promise<number[]> {
  return (await texts.measure()).map(({ gap, tokens }) => Number(gap <= tie * tokens))
}

/** Nats per token over all of some texts. */
export function perToken(measured: readonly Measured[]): number {
  return measured.reduce((sum, { loss }) => sum + loss, 0) / measured.reduce((sum, { tokens }) => sum + tokens, 0)
}

export function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length
}

/** A change with what it does, and what it was made of. */
export interface Candidate {
  /** What the changes are products of, where they have a rank. */
  readonly factors?: Factors
  readonly changes: Changes
  readonly norm: number
  readonly decided: Decided
}

/** Scales that are tried where an edit as it is does not do: paraphrases may ask for more, a budget for less. */
const otherScales = [0.8, 1.25, 0.6, 1.6, 2.5, 4]
/** How often a scale is halved in on. */
const halvings = 5
/** Beyond the smallest scale that was seen to do, so that rounding does not undo it. */
const spare = 1.02

/** The smallest multiple of changes that does what is wanted, or the changes as they are where none was seen. */
export async function smallestScale(
  searched: Searched,
  whole: Changes,
  look: (brief?: boolean) => Promise<Decided>,
  factors?: Factors,
): Promise<Candidate> {
  const size = norm(...Object.values(whole))
  const at = async (scale: number, brief = true): Promise<Candidate & { readonly scale: number }> => {
    const changes = Object.fromEntries(Object.entries(whole).map(([name, x]) => [name, x.map((v) => scale * v)]))
    await searched.put(changes)
    return { ...(factors ? { factors: scaled(factors, scale) } : {}), scale, changes, norm: scale * size, decided: await look(brief) }
  }
  const first = await at(1, false)
  let best = first.decided.meets ? first : undefined
  if (!best)
    for (const scale of otherScales) {
      const other = await at(scale)
      if (other.decided.meets) {
        best = other
        break
      }
    }
  if (!best) return first
  let [low, high] = [0, best.scale]
  for (let i = 0; i < halvings; i++) {
    const middle = (low + high) / 2
    const tried = await at(middle)
    if (tried.decided.meets) [high, best] = [middle, tried]
    else low = middle
  }
  const safe = await at(Math.min(first.decided.meets ? 1 : best.scale, high * spare))
  return safe.decided.meets ? safe : best
}

function scaled(factors: Factors, by: number): Factors {
  return Object.fromEntries(Object.entries(factors).map(([name, { up, ...more }]) => [name, { ...more, up: up.map((x) => by * x) }]))
}
