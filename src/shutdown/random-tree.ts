import { random } from '../random/index.ts'
import type { DecisionTree, Preferences } from './decision-tree.ts'
import { one, type Rational } from './rational.ts'

/** How preferences over random outcomes are drawn. */
export type Drawn = 'gaps' | 'links' | 'complete' | 'cyclic' | 'uncertain'

/** A random tree with random preferences over where it ends. */
export interface RandomTree {
  readonly tree: DecisionTree<Outcome>
  readonly preferences: Preferences<Outcome>
}

/** An outcome with its worth to each member, in whole numbers, or a mixture of outcomes. */
export interface Outcome {
  readonly name: string
  readonly worth: readonly number[]
}

const half: Rational = one.div(2)

/**
 * A tree of at most three choices on a way, that belongs to a seed. `gaps`: two members must agree. `links`: any weak preferences without a
 * cycle through a strict one, not closed under chains. `complete`: one member. `cyclic`: any weak preferences. `uncertain`: two members, and
 * chances of one half.
 */
export function randomTree(seed: number, drawn: Drawn): RandomTree {
  const numbers = random(seed, `decision tree ${drawn}`).integers(128, 2 ** 32)
  let at = 0
  const below = (n: number) => numbers[at++ % numbers.length]! % n
  const outcomes = Array.from({ length: 3 + below(3) }, (_, i) => ({
    name: 'ABCDE'[i]!,
    worth: Array.from({ length: drawn === 'complete' ? 1 : 2 }, () => below(4)),
  }))
  const leaf = () => ({ kind: 'outcome', outcome: outcomes[below(outcomes.length)]! }) as const
  const grow = (depth: number): DecisionTree<Outcome> => {
    if (depth === 0 || below(4) === 0) return leaf()
    if (drawn === 'uncertain' && below(3) === 0)
      return { kind: 'chance', weights: [half, half], branches: [grow(depth - 1), grow(depth - 1)] }
    return { kind: 'choice', branches: Array.from({ length: 2 + below(2) }, () => grow(depth - 1)) }
  }
  const tree: DecisionTree<Outcome> = { kind: 'choice', branches: [grow(2), grow(2)] }
  return { tree, preferences: drawn === 'links' || drawn === 'cyclic' ? linked(outcomes, drawn, below) : unanimous }
}

const unanimous: Preferences<Outcome> = {
  weakly: (x, y) => x.worth.every((worth, i) => worth >= y.worth[i]!),
  // Halves of small whole numbers are exact in doubles.
  mix: (weights, prospects) => ({
    name: prospects.map(({ name }) => name).join('/'),
    worth: prospects[0]!.worth.map((_, i) => prospects.reduce((sum, { worth }, j) => sum + weights[j]!.valueOf() * worth[i]!, 0)),
  }),
}

function linked(outcomes: readonly Outcome[], drawn: 'links' | 'cyclic', below: (n: number) => number): Preferences<Outcome> {
  const n = outcomes.length
  const links = outcomes.map(() => outcomes.map(() => false))
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      if (i === j || below(3) > 0) continue
      links[i]![j] = true
      if (drawn === 'links' && !suzumuraConsistent(links)) links[i]![j] = false
    }
  const index = new Map(outcomes.map((outcome, i) => [outcome, i]))
  return { weakly: (x, y) => x === y || links[index.get(x)!]![index.get(y)!]! }
}

function suzumuraConsistent(links: readonly (readonly boolean[])[]): boolean {
  const reached = closed(links)
  return links.every((row, i) => row.every((link, j) => !link || links[j]![i]! || !reached[j]![i]!))
}

/** The transitive closure of a relation as a square of truths. */
export function closed(links: readonly (readonly boolean[])[]): boolean[][] {
  const reached = links.map((row) => [...row])
  for (const [k, through] of reached.entries())
    for (const row of reached) if (row[k]) for (const [j, there] of through.entries()) if (there) row[j] = true
  return reached
}
