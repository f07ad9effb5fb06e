import { UserError } from '../graph/errors.ts'
import { scoreTrees, type Tree } from '../policy/index.ts'
import { beginningIds } from '../text/index.ts'
import { type Goal, goal, type MadeOptions, type ReadBy, type Sample } from './goal.ts'

/**
 * How surprising a completion is to the frozen reference model: the logarithm of its perplexity, −log π_ref(y|x) per token, the end token among
 * them; 0 for a completion without any. The logarithm, because one odd completion may have a perplexity of thousands.
 *
 * units   nats per token
 * throws  UserError where it is measured before a model read the sample
 * limits  the text is cut into tokens anew, and ends where the context does; repetition is cheap too, so keep fluent or a gold measure beside it
 * source  Jelinek et al. 1977, Perplexity — a measure of the difficulty of speech recognition tasks
 */
export function perplexity({ as = 'perplexity', ...options }: MadeOptions = {}): Goal {
  let of: string | undefined
  const known = new Map<string, number>()
  const measure = (sample: Sample) => {
    const value = known.get(keyOf(sample))
    if (value === undefined) throw new UserError(`goal ${as}: must be read by a model before it is measured; call its read first`)
    return value
  }
  return {
    ...goal(as, measure, {
      about: 'unsurprising to the reference model: the logarithm of the perplexity, nats per token, less is better',
      direction: -1,
      source: 'Jelinek et al. 1977, Perplexity — a measure of the difficulty of speech recognition tasks',
      ...options,
    }),
    async read(samples, by, onBatch) {
      if (of !== by.checkpoint.hash) known.clear()
      of = by.checkpoint.hash
      const anew = [...new Map(samples.map((sample) => [keyOf(sample), sample])).values()].filter((sample) => !known.has(keyOf(sample)))
      const trees = anew.map((sample) => treeOf(sample, by))
      const told = trees.filter(({ completions: [ids] }) => ids!.length > 0)
      const logps = await scoreTrees(by.policy, told, {}, onBatch)
      const costs = new Map(told.map((tree, i) => [tree, -logps[i]! / tree.completions[0]!.length]))
      anew.forEach((sample, i) => void known.set(keyOf(sample), costs.get(trees[i]!) ?? 0))
    },
  }
}

function keyOf({ prompt, text, ended }: Sample): string {
  return JSON.stringify([prompt, text, ended])
}

/** Prompt and completion as the reference's tokens: what both begin alike is the prompt, which has at least one. */
function treeOf({ prompt, text, ended }: Sample, { policy, checkpoint: { tokenizer, eosIds } }: ReadBy): Tree {
  const [before, whole] = [beginningIds(tokenizer, prompt).ids, beginningIds(tokenizer, prompt + text).ids]
  let kept = 0
  while (kept < before.length && before[kept] === whole[kept]) kept++
  const cut = Math.max(1, kept)
  const end = ended && eosIds[0] !== undefined ? [eosIds[0]] : []
  return {
    prompt: whole.slice(0, cut),
    completions: [[...whole.slice(cut), ...end].slice(0, Math.max(0, policy.config.contextLength - cut))],
  }
}
