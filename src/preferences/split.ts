import { UserError } from '../graph/errors.ts'
import { random } from '../random/index.ts'
import { plainForm } from './near-duplicates.ts'

/**
 * Deals examples into named parts by a hash of the prompt, so that a prompt is never in two parts and, when a file grows, stays where it was.
 * Prompts that are equal but for case, spaces and marks are one. Each part keeps the order of the examples.
 *
 * units   shares sum to 1; a part holds about its share of the distinct prompts, not exactly
 * throws  UserError when a share is negative or the shares do not sum to 1
 */
export function splitByPrompt<T, Name extends string>(
  examples: readonly T[],
  promptOf: (example: T) => string,
  shares: Readonly<Record<Name, number>>,
  seed: number,
): Record<Name, T[]> {
  const names = Object.keys(shares) as Name[]
  const sum = names.reduce((total, name) => total + shares[name], 0)
  if (names.some((name) => !(shares[name] >= 0)) || Math.abs(sum - 1) > 1e-9) {
    throw new UserError(`split: shares must be at least 0 and sum to 1, got ${JSON.stringify(shares)}; give the rest a name as well`)
  }
  const parts = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<Name, T[]>
  for (const example of examples) parts[partOf(names, shares, placeOf(promptOf(example), seed))].push(example)
  return parts
}

function partOf<Name extends string>(names: readonly Name[], shares: Readonly<Record<Name, number>>, at: number): Name {
  let upTo = 0
  for (const name of names) {
    upTo += shares[name]
    if (at < upTo) return name
  }
  return names.findLast((name) => shares[name] > 0)!
}

/** A number in [0, 1) that depends on nothing but the prompt and the seed. */
export function placeOf(prompt: string, seed: number): number {
  return random(seed, `split/${plainForm(prompt)}`).uniform()
}
