import type { Tree } from '../policy/index.ts'

/**
 * Each prompt of a batch with a completion of another: the nearest before it (the last is before the first) that is not among the prompt's own.
 * A prompt that has none is left out. The mean log-ratio of these is how far the policy has moved whatever it was asked.
 *
 * source  Ethayarajh et al. 2024, arXiv:2402.01306, section 4.1; the order as in huggingface/trl, KTO trainer
 */
export function mismatched(batch: readonly { readonly tree: Tree }[]): Tree[] {
  const own = new Map<string, Set<string>>()
  for (const { tree } of batch) own.set(tree.prompt.join(), (own.get(tree.prompt.join()) ?? new Set()).add(tree.completions[0]!.join()))
  return batch.flatMap(({ tree: { prompt } }, i) => {
    const mine = own.get(prompt.join())!
    const before = [...batch.slice(0, i).reverse(), ...batch.slice(i + 1).reverse()]
    const other = before.find(({ tree }) => !mine.has(tree.completions[0]!.join()))
    return other ? [{ prompt, completions: [other.tree.completions[0]!] }] : []
  })
}

/** z0: the mean of the whole batch's mismatched log-ratios (nats), clamped at 0 from below; undefined where there is none. */
export function driftOf(logRatios: readonly number[]): number | undefined {
  if (logRatios.length === 0) return undefined
  return Math.max(0, logRatios.reduce((total, r) => total + r, 0) / logRatios.length)
}
