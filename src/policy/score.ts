import { checkIds } from './check-ids.ts'
import { over, type See } from './over.ts'
import type { Policy } from './policy.ts'
import { type Packing, type Tree, treeLength } from './rows.ts'

/**
 * Log-probabilities of every completion of every tree, in the order of trees and completions.
 *
 * units   nats, summed over the completion's tokens
 * throws  UserError for an id that the model does not have, and as packTrees
 */
export async function scoreTrees(
  policy: Policy,
  trees: readonly Tree[],
  packing: Packing = {},
  onBatch?: (done: number, of: number) => void,
): Promise<number[]> {
  trees.forEach(({ prompt, completions }, i) => {
    for (const ids of [prompt, ...completions]) checkIds(`score: ids of tree ${i}`, ids, policy.config)
  })
  // An edit may ask which tree a token is of, so under one trees stay whole.
  const parts = policy.edits ? trees : trees.flatMap((tree) => splitTree(tree, packing.tokenBudget ?? 1024))
  const { logps } = await over(policy, parts, score, { per: 'completion', packing, ...(onBatch ? { onBatch } : {}) })
  return Array.from(logps?.data ?? [])
}

const score: See = ({ logps }) => ({ logps })

/**
 * Log-probabilities of every token of every completion of every tree, in their order.
 *
 * units   nats
 * throws  as scoreTrees
 */
export async function scoreTokens(policy: Policy, trees: readonly Tree[], onBatch?: () => void): Promise<number[][][]> {
  const { logps } = await over(policy, trees, tokenScore, { per: 'said', ...(onBatch ? { onBatch } : {}) })
  let next = 0
  return trees.map(({ completions }) => completions.map(({ length }) => Array.from(logps!.data.subarray(next, (next += length)))))
}

const tokenScore: See = ({ tokenLogps }) => ({ logps: tokenLogps })

/** A tree as trees of fewer completions, in their order, each no longer than a budget; one of a single completion stays as it is. */
export function splitTree({ prompt, completions }: Tree, longest: number): Tree[] {
  const parts: { prompt: Tree['prompt']; completions: Tree['completions'][number][] }[] = []
  for (const completion of completions) {
    const last = parts.at(-1)
    if (last && treeLength({ prompt, completions: [...last.completions, completion] }) <= longest) last.completions.push(completion)
    else parts.push({ prompt, completions: [completion] })
  }
  return parts
}
