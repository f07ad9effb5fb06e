import { type Chooser, choosers, type Situation, situations, strictly } from './choice.ts'
import type { Plan, Preferences } from './decision-tree.ts'
import { closed, type Drawn, type Outcome, randomTree } from './random-tree.ts'

/** What a rule of choice did in random trees. */
export interface Pumped {
  readonly trees: number
  /** Trees in which the rule may end where something strictly better was to be had at the root. */
  readonly pumped: number
  /** Trees in which it came to permit nothing. */
  readonly stuck: number
  /** Choices it met, and of these, ones at which it permits what some complete extension of the preferences permits. For trees without chances. */
  readonly histories: number
  readonly trammelled: number
}

/** Looks for money pumps: lets a rule choose in random trees, seeds 0 to `trees` − 1. Trammelling is counted where it is asked for. */
export function fuzz(rule: keyof typeof choosers, drawn: Drawn, trees: number, { trammelling = false } = {}): Pumped {
  const total = { trees, pumped: 0, stuck: 0, histories: 0, trammelled: 0 }
  for (let seed = 0; seed < trees; seed++) {
    const random = randomTree(seed, drawn)
    const met = situations(random.tree, choosers[rule] as Chooser, random.preferences)
    if (met.some(({ permitted }) => permitted.length === 0)) total.stuck++
    if (isPumped(random.preferences, met)) total.pumped++
    total.histories += met.length
    if (trammelling)
      total.trammelled += met.filter(({ situation, permitted }) => isTrammelled(situation, permitted, random.preferences)).length
  }
  return total
}

type Met = ReturnType<typeof situations<Outcome>>

/** Whether some way through the tree, permitted choice by choice, comes to less than something that was available at the root. */
export function isPumped(preferences: Preferences<Outcome>, met: Met): boolean {
  const { all } = met[0]!.situation
  const permitted = new Map(met.map(({ situation, permitted }) => [situation.node, permitted]))
  const lived = all.filter(({ moves }) =>
    [...moves].every(([node, i]) => permitted.get(node)?.some((plan) => plan.moves.get(node) === i) ?? false),
  )
  return lived.some(({ prospect }) => all.some((other) => strictly(preferences, other.prospect, prospect)))
}

/**
 * Whether a complete extension of the preferences permits, at this choice, exactly what is permitted: all of it tied, above the rest that is
 * available, and nothing at the root above it. Such an extension exists where these preferences and the given ones are Suzumura consistent.
 *
 * source  Suzumura 1976, for when an extension exists
 */
export function isTrammelled<T>({ available, all }: Situation<T>, permitted: readonly Plan<T>[], { weakly }: Preferences<T>): boolean {
  const [kept, here, everything] = [permitted, available, all].map((plans) => new Set(plans.map(({ prospect }) => prospect))) as [
    Set<T>,
    Set<T>,
    Set<T>,
  ]
  const nodes = [...everything]
  const reached = closed(nodes.map((x) => nodes.map((y) => weakly(x, y) || kept.has(x))))
  const below = nodes.every((x, i) => !here.has(x) || kept.has(x) || nodes.every((y, j) => !kept.has(y) || !reached[i]![j]))
  return below && nodes.every((x, i) => nodes.every((y, j) => !weakly(x, y) || weakly(y, x) || !reached[j]![i]))
}
