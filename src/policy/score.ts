import { graph, UserError } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { completionLogps, tokenLogps } from '../models/head.ts'
import { asksInAttention } from './edit.ts'
import { forward, runInputs } from './forward.ts'
import type { Policy } from './policy.ts'
import { rowInputs, shapeOf } from './row-inputs.ts'
import { type Batch, type Packing, packTrees, type Tree, treeLength } from './rows.ts'

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
  const scores: number[] = new Array(trees.reduce((n, tree) => n + tree.completions.length, 0)).fill(0)
  const { tokenBudget = 1024 } = packing
  const parts = trees.flatMap((tree) => splitTree(tree, tokenBudget))
  const batches = packTrees(parts, {
    contextLength: policy.config.contextLength,
    tokenBudget,
    whole: asksInAttention(policy),
    ...packing,
  })
  for (const [i, batch] of batches.entries()) {
    const logps = await scoreBatch(policy, batch)
    batch.slots.forEach((slot, local) => {
      scores[slot] = logps[local]!
    })
    onBatch?.(i + 1, batches.length)
  }
  return scores
}

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

/** Makes sure that the embedding has a row for every id; `where` leads the error. */
export function checkIds(where: string, ids: readonly number[], { vocabSize }: DecoderConfig) {
  const strange = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize))
  if (strange === undefined) return
  throw new UserError(
    `${where} must be 0 to ${vocabSize - 1} (the model's vocabulary), got ${strange}; were the tokens made by another model's tokenizer?`,
  )
}

async function scoreBatch(policy: Policy, batch: Batch): Promise<ArrayLike<number>> {
  const shape = shapeOf(batch.rows)
  const program = await policy.program(`score ${JSON.stringify(shape)}`, () => {
    const given = rowInputs(shape)
    const { params, hidden, inputs } = forward(policy, given, { path: 'rows' })
    const logps = completionLogps(
      tokenLogps(params, hidden, given.wanted, given.targets, policy.config),
      given.completion,
      given.weights,
      shape.completions,
    )
    return graph({ ...inputs, ...given }, { logps })
  })
  const { logps } = await program.run(runInputs(policy, batch))
  return logps!.data
}
