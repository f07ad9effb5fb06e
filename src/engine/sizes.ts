/** Sizes by name. Those that are prime are found as factors of other numbers too. */
export type Sizes = Readonly<Record<string, number>>

/**
 * A number as a product of named sizes and a whole number: 42 is 6 · T where T is 7. A size that is not prime is found only where the number
 * is that size.
 */
export function inSizes(n: number, sizes: Sizes): { readonly whole: number; readonly of: readonly string[] } {
  const equal = Object.keys(sizes).find((name) => sizes[name] === n)
  if (equal) return { whole: 1, of: [equal] }
  const of: string[] = []
  let whole = n
  for (const [name, size] of Object.entries(sizes)) {
    if (!isPrime(size)) continue
    for (; whole !== 0 && whole % size === 0; whole /= size) of.push(name)
  }
  return { whole, of }
}

/** Primes below `end` that divide none of the numbers. Those below 11 are left out: numbers of axes are numbers of a graph too. */
export function primesBeside(numbers: readonly number[], end: number): number[] {
  const candidates = Array.from({ length: Math.max(end - 11, 0) }, (_, i) => i + 11)
  return candidates.filter((p) => isPrime(p) && numbers.every((n) => n === 0 || n % p !== 0))
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return n > 1
}
