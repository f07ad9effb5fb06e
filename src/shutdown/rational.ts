import { Fraction } from 'fraction.js'
import { z } from 'zod'

/** A fraction of whole numbers of any size; nothing is rounded. */
export type Rational = Fraction

export const zero: Rational = new Fraction(0)
export const one: Rational = new Fraction(1)

const form = /^[+-]?(\d+(\.\d+)?|\d+\/0*[1-9]\d*)$/

/** A rational of a file: `"1/3"`, `"0.25"`, `"-2"`; a JSON number is read as its decimal text says. */
export const rationalSchema = z
  .custom<string | number>(
    (given) => (typeof given === 'string' || typeof given === 'number') && form.test(String(given)),
    'must be a rational number such as "1/3", "0.25" or "-2"',
  )
  .transform((given) => rational(given))

/** The exact value of a whole number, a decimal text or a quotient. */
export function rational(value: string | number | bigint): Rational {
  return new Fraction(typeof value === 'bigint' ? value : String(value))
}

/** The exact sum. */
export function total(values: Iterable<Rational>): Rational {
  let sum = zero
  for (const value of values) sum = sum.add(value)
  return sum
}

/** A rational as it stands in results: `1/3`, `2`, `-1/2`. */
export function written(value: Rational): string {
  return value.toFraction()
}
