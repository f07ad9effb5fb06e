import { type DecisionTree, type Plan, type Preferences, plansOf, prospectFrom } from './decision-tree.ts'

/** A choice, with the choices that led to it, the first one first. */
export interface Situation<T> {
  readonly node: DecisionTree<T>
  readonly before: readonly DecisionTree<T>[]
  /** Plans of the whole tree that agree with what was chosen before. */
  readonly available: readonly Plan<T>[]
  /** Plans of the whole tree. */
  readonly all: readonly Plan<T>[]
}

/** A rule of choice: which of the plans that are available at a choice are permitted. */
export type Chooser = <T>(situation: Situation<T>, preferences: Preferences<T>) => readonly Plan<T>[]

/** Every rule, by name. `naive` is the plain chooser that a money pump works on. */
export const choosers = {
  /** Whatever nothing available now is strictly preferred to, as if there had been no past. */
  naive: ({ node, available }, preferences) => permittedBy(maximal, node, available, preferences),
  /** The same with what it will itself permit later. */
  sophisticated: ({ node, available }, preferences) => foreseen(node, available, preferences),
  /** A plan that was maximal at the first choice, to its end. */
  resolute: ({ before, node, available, all }, preferences) => {
    const kept = new Set(permittedBy(maximal, before[0] ?? node, all, preferences))
    return available.filter((plan) => kept.has(plan))
  },
  /** Dynamic strong maximality: strongly maximal now, and at no earlier choice was anything available strictly preferred to it. */
  dsm: ({ before, node, available, all }, preferences) => {
    const now = permittedBy(stronglyMaximal, node, available, preferences)
    // The plans that were available at an earlier choice are those that can come to it.
    const rivals = (earlier: (typeof before)[number]) => all.filter(({ moves }) => moves.has(earlier))
    return before.reduce((plans, earlier) => notDominated(earlier, plans, rivals(earlier), preferences), now)
  },
} satisfies Record<string, Chooser>

/**
 * What nothing among them is strictly preferred to.
 *
 * source  Sen 1997
 */
export function maximal<T>(among: readonly T[], preferences: Preferences<T>): T[] {
  return among.filter((x) => !among.some((y) => strictly(preferences, y, x)))
}

/**
 * What is maximal, and from which no chain of indifference leads to something that is not.
 *
 * source  Bradley 2015; Petersen 2023, "Invulnerable Incomplete Preferences"
 */
export function stronglyMaximal<T>(among: readonly T[], preferences: Preferences<T>): T[] {
  const good = new Set(maximal(among, preferences))
  const indifferent = (x: T, y: T) => preferences.weakly(x, y) && preferences.weakly(y, x)
  for (let lost = true; lost; ) {
    const tainted = [...good].filter((x) => among.some((y) => !good.has(y) && y !== x && indifferent(x, y)))
    for (const x of tainted) good.delete(x)
    lost = tainted.length > 0
  }
  return [...good]
}

/** Whether the first is strictly preferred. */
export function strictly<T>({ weakly }: Preferences<T>, x: T, y: T): boolean {
  return weakly(x, y) && !weakly(y, x)
}

/** Every situation that a rule can bring itself into, with what it permits there; chance may fall as it likes. */
export function situations<T>(
  tree: DecisionTree<T>,
  chooser: Chooser,
  preferences: Preferences<T>,
): { readonly situation: Situation<T>; readonly permitted: readonly Plan<T>[] }[] {
  const all = plansOf(tree, preferences)
  const found: { situation: Situation<T>; permitted: readonly Plan<T>[] }[] = []
  const walk = (node: DecisionTree<T>, before: readonly DecisionTree<T>[], available: readonly Plan<T>[]) => {
    if (node.kind === 'outcome') return
    if (node.kind === 'chance') {
      for (const branch of node.branches) walk(branch, before, available)
      return
    }
    const situation = { node, before, available, all }
    const permitted = chooser(situation, preferences)
    found.push({ situation, permitted })
    for (const [i, branch] of node.branches.entries())
      if (permitted.some(({ moves }) => moves.get(node) === i))
        walk(
          branch,
          [...before, node],
          available.filter(({ moves }) => moves.get(node) === i),
        )
  }
  walk(tree, [], all)
  return found
}

type Rule = <T>(among: readonly T[], preferences: Preferences<T>) => T[]

/** Plans whose prospect, from a node on, a rule keeps. */
function permittedBy<T>(rule: Rule, node: DecisionTree<T>, plans: readonly Plan<T>[], preferences: Preferences<T>): Plan<T>[] {
  const seen = plans.map((plan) => ({ plan, prospect: prospectFrom(node, plan, preferences) }))
  const kept = rule(seen, { weakly: (x, y) => preferences.weakly(x.prospect, y.prospect) })
  return kept.map(({ plan }) => plan)
}

function notDominated<T>(
  node: DecisionTree<T>,
  plans: readonly Plan<T>[],
  rivals: readonly Plan<T>[],
  preferences: Preferences<T>,
): Plan<T>[] {
  const prospects = rivals.map((rival) => prospectFrom(node, rival, preferences))
  return plans.filter((plan) => {
    const prospect = prospectFrom(node, plan, preferences)
    return !prospects.some((rival) => strictly(preferences, rival, prospect))
  })
}

/** Backward induction over sets: at every choice what is maximal among all that is permitted below. */
function foreseen<T>(node: DecisionTree<T>, available: readonly Plan<T>[], preferences: Preferences<T>): readonly Plan<T>[] {
  if (node.kind === 'outcome') return available
  if (node.kind === 'chance') return node.branches.reduce((plans, branch) => foreseen(branch, plans, preferences), available)
  const below = node.branches.flatMap((branch, i) =>
    foreseen(
      branch,
      available.filter(({ moves }) => moves.get(node) === i),
      preferences,
    ),
  )
  return permittedBy(maximal, node, below, preferences)
}
