import type { Rational } from './rational.ts'

/** A tree of one's own choices and of chances, down to outcomes. */
export type DecisionTree<T> =
  | { readonly kind: 'choice'; readonly branches: readonly DecisionTree<T>[] }
  | { readonly kind: 'chance'; readonly branches: readonly DecisionTree<T>[]; readonly weights: readonly Rational[] }
  | { readonly kind: 'outcome'; readonly outcome: T }

/** What is weakly preferred, and what a chance of prospects is worth as one prospect. */
export interface Preferences<T> {
  weakly(x: T, y: T): boolean
  /** Needed in trees with chances. */
  mix?(weights: readonly Rational[], prospects: readonly T[]): T
}

/** Which branch is taken at every choice that can still be met, and what it comes to from here. */
export interface Plan<T> {
  readonly moves: ReadonlyMap<DecisionTree<T>, number>
  readonly prospect: T
}

/**
 * Every plan of a tree.
 *
 * limits  as many as the product over chances: small trees only
 */
export function plansOf<T>(tree: DecisionTree<T>, preferences: Preferences<T>): Plan<T>[] {
  if (tree.kind === 'outcome') return [{ moves: new Map(), prospect: tree.outcome }]
  const below = tree.branches.map((branch) => plansOf(branch, preferences))
  if (tree.kind === 'choice')
    return below.flatMap((plans, i) => plans.map(({ moves, prospect }) => ({ moves: new Map(moves).set(tree, i), prospect })))
  let together: Plan<T>[][] = [[]]
  for (const plans of below) together = together.flatMap((chosen) => plans.map((plan) => [...chosen, plan]))
  return together.map((chosen) => ({
    moves: new Map(chosen.flatMap(({ moves }) => [...moves])),
    prospect: preferences.mix!(
      tree.weights,
      chosen.map(({ prospect }) => prospect),
    ),
  }))
}

/** What a plan of a whole tree comes to from one of its nodes on. */
export function prospectFrom<T>(tree: DecisionTree<T>, { moves }: Plan<T>, preferences: Preferences<T>): T {
  if (tree.kind === 'outcome') return tree.outcome
  if (tree.kind === 'choice') return prospectFrom(tree.branches[moves.get(tree)!]!, { moves } as Plan<T>, preferences)
  return preferences.mix!(
    tree.weights,
    tree.branches.map((branch) => prospectFrom(branch, { moves } as Plan<T>, preferences)),
  )
}
