/**
 * Σ value·γ^time of decimal numbers in whole-number arithmetic, rounded once at the end.
 *
 * limits  numbers are taken as they are written in decimals, so 0.95 is 95/100
 */
export function decimalSum(terms: readonly (readonly [value: number, time: number])[], gamma: number): number {
  const base = decimal(gamma)
  const longest = Math.max(0, ...terms.map(([, time]) => time))
  const parts = terms.map(([value, time]) => {
    const own = decimal(value)
    return { top: own.top * base.top ** BigInt(time) * base.below ** BigInt(longest - time), below: own.below }
  })
  // All are powers of ten, so each divides the product.
  const below = parts.reduce((all, part) => all * part.below, 1n)
  const top = parts.reduce((sum, part) => sum + part.top * (below / part.below), 0n)
  return quotient(top, below * base.below ** BigInt(longest))
}

/** A decimal number as whole numbers; the lower one is a power of ten. */
function decimal(x: number): { top: bigint; below: bigint } {
  const [digits = '0', exponent = '0'] = x.toString().split('e')
  const [before = '0', after = ''] = digits.split('.')
  const shift = after.length - Number(exponent)
  const top = BigInt(before + after)
  return shift > 0 ? { top, below: 10n ** BigInt(shift) } : { top: top * 10n ** BigInt(-shift), below: 1n }
}

/** The nearest double to a ratio of two powers of ten's worth of digits: its first 25 digits, read as a decimal. */
function quotient(top: bigint, below: bigint): number {
  if (top === 0n) return 0
  const places = Math.max(0, below.toString().length - top.toString().length + 25)
  return Number(`${(top * 10n ** BigInt(places)) / below}e-${places}`)
}
