import { type Tree, treeLength } from './tree.ts'

/** A tree that several trees were joined into, and where each of them lies in it. */
export interface JoinedTree {
  readonly tree: Tree
  /** Which trees, in their order. */
  readonly members: readonly number[]
  /** Of each member, which of the tree's completions are its own. */
  readonly sides: readonly (readonly number[])[]
}

/** Beyond so many positions the attention of a row grows dearer than what joining saves. */
export const LONGEST_JOINED = 768

/**
 * Joins trees of one prompt, so that the prompt, and a completion that several of them have, is read once. A tree takes no more than
 * `longest` positions by joining; what does not fit begins another.
 */
export function joinTrees(trees: readonly Tree[], longest: number): JoinedTree[] {
  const all: Open[] = []
  const open = new Map<string, Open>()
  trees.forEach((tree, member) => {
    const key = tree.prompt.join()
    let shared = open.get(key)
    const more = () => tree.completions.filter((ids) => !shared!.places.has(ids.join())).reduce((sum, ids) => sum + ids.length, 0)
    if (!shared || shared.length + more() > longest) {
      shared = {
        prompt: tree.prompt,
        completions: [],
        places: new Map(),
        length: treeLength({ ...tree, completions: [] }),
        members: [],
        sides: [],
      }
      open.set(key, shared)
      all.push(shared)
    }
    shared.length += more()
    shared.members.push(member)
    shared.sides.push(tree.completions.map((ids) => placeOf(shared, ids)))
  })
  return all.map(({ prompt, completions, members, sides }) => ({ tree: { prompt, completions }, members, sides }))
}

interface Open {
  readonly prompt: Tree['prompt']
  readonly completions: Tree['completions'][number][]
  readonly places: Map<string, number>
  readonly members: number[]
  readonly sides: number[][]
  length: number
}

function placeOf({ places, completions }: Open, ids: Tree['completions'][number]): number {
  const key = ids.join()
  const known = places.get(key)
  if (known !== undefined) return known
  places.set(key, completions.length)
  return completions.push(ids) - 1
}
