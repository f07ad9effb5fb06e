import type { Tree } from '../policy/index.ts'

/** A pair as it is trained on: the likelier side first, with the probability that it is the better one. */
export interface SoftPair {
  readonly tree: Tree
  readonly label: number
  /** How high each side stands by the posterior of the goals; the labels say it where absent. */
  readonly standings?: readonly [number, number]
}

/**
 * Of each prompt's pairs the one whose sides are furthest apart, judged by all of its pairs: a completion stands where its mean label
 * does, or where the posterior puts it. With every completion compared to every other it is the best one and the worst one.
 */
export function extremes<T extends SoftPair>(pairs: readonly T[]): T[] {
  const groups = new Map<string, T[]>()
  for (const pair of pairs) {
    const key = pair.tree.prompt.join()
    groups.set(key, [...(groups.get(key) ?? []), pair])
  }
  return [...groups.values()].map((group) => {
    const standing = meanLabels(group)
    const apart = ({ tree, standings: [first, second] = [standing(tree.completions[0]!), standing(tree.completions[1]!)] }: T) =>
      Math.abs(first - second)
    return group.reduce((widest, pair) => (apart(pair) > apart(widest) ? pair : widest))
  })
}

/** The mean label of each completion over the pairs that it is a side of. */
function meanLabels(group: readonly SoftPair[]): (completion: readonly number[]) => number {
  const labels = new Map<string, number[]>()
  for (const { tree, label } of group)
    tree.completions.forEach((completion, side) => {
      const key = completion.join()
      labels.set(key, [...(labels.get(key) ?? []), side === 0 ? label : 1 - label])
    })
  return (completion) => {
    const mine = labels.get(completion.join())!
    return mine.reduce((a, b) => a + b, 0) / mine.length
  }
}
