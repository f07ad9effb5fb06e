import { hashText } from '../files/index.ts'
import { isValue, ShapeError, show, UserError, type Value } from '../graph/index.ts'
import type { LossTerms } from './terms.ts'

/**
 * A loss of one's own: a plain function from terms to a scalar, or to `{ loss, terms }` with scalars that the log shows by their names. It is
 * traced once and differentiated like everything else.
 *
 * limits  A mean of numbers of single examples is the same whatever the token budget. A loss that reads the batch as a whole (a variance, a
 *         product of two means, a raw `tap`) is trained where every step fits one pass, and refused otherwise.
 */
export type CustomLoss = (terms: LossTerms) => Value | LossWithTerms

/** A loss with parts of it, or anything else that is a scalar, for the log. */
export interface LossWithTerms {
  readonly loss: Value
  readonly terms: Readonly<Record<string, Value>>
}

/**
 * Traces a custom loss.
 *
 * shape   → f32[]
 * throws  UserError when it returns anything but scalar Values, or throws; ShapeError when its shapes do not fit
 */
export function traceLoss(loss: CustomLoss, terms: LossTerms): LossWithTerms {
  const made: unknown = called(loss, terms)
  const parts = typeof made === 'object' && made !== null && 'loss' in made && !isValue(made) ? (made as LossWithTerms) : undefined
  for (const [name, value] of Object.entries(parts?.terms ?? {})) {
    if (!/^[A-Za-z]\w*$/.test(name))
      throw new UserError(`loss.terms: names must be letters, digits and _, got ${JSON.stringify(name)}; they become names in the metrics`)
    scalar(`loss.terms.${name}`, value)
  }
  return { loss: scalar('loss', parts ? parts.loss : made), terms: parts?.terms ?? {} }
}

function scalar(where: string, value: unknown): Value {
  if (!isValue(value))
    throw new UserError(`${where}: must return a Value, got ${kindOf(value)}; build it from the terms with add, mul, mean …`)
  if (value.dtype !== 'f32' || value.shape.length > 0)
    throw new UserError(`${where}: must return a scalar f32[], got ${show(value)}; end with mean(…) or sum(…)`)
  return value
}

/**
 * A custom loss as the manifest keeps it: its text, and the sha256 of it.
 *
 * limits  the text is what its author wrote where that is known (`asWritten`), else what JavaScript runs, after any loader or bundler;
 *         variables from outside the function are not in it
 */
export function lossText(loss: CustomLoss): { text: string; sha256: string; asWritten?: true } {
  const known = written.get(loss)
  const text = known ?? loss.toString()
  return { text, sha256: hashText(text), ...(known === undefined ? {} : { asWritten: true }) }
}

/** Keeps the text that the author of a loss wrote, where a loader has made another of it. */
export function keepWritten(loss: CustomLoss, text: string): void {
  written.set(loss, text)
}
const written = new WeakMap<CustomLoss, string>()

function called(loss: CustomLoss, terms: LossTerms): unknown {
  try {
    return loss(terms)
  } catch (cause) {
    if (cause instanceof UserError || cause instanceof ShapeError) throw cause
    throw new UserError(`loss: must return a Value, but it threw ${cause}; mend the function`, { cause })
  }
}

/** The taps that a loss can ask for, by name. */
export type Taps = ReadonlyMap<string, Value>

/** Finds a tap by name; throws UserError listing the names when there is no such tap. */
export function among(taps: Taps): (name: string) => Value {
  return (name) => {
    const value = taps.get(name)
    if (value) return value
    throw new UserError(`loss.tap: must name a tap of the model, got ${JSON.stringify(name)}; choose from ${[...taps.keys()].join(', ')}`)
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `${typeof value} ${value}`
}
