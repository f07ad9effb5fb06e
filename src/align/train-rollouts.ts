import { hashFile } from '../files/index.ts'
import type { Example, RolloutObjective } from '../objectives/index.ts'
import { scoreTokens, type Tree } from '../policy/index.ts'
import { loadRollouts } from '../preferences/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { FromRollouts } from '../recipe/sources.ts'
import { upToPadding } from '../rewards/index.ts'
import { trainWork } from './estimate.ts'
import { withReference } from './examples.ts'
import type { Models } from './open-models.ts'
import { orderOf } from './train-into.ts'
import type { TrainingSource } from './train-run.ts'
import { shownPrompts } from './train-samples.ts'
import { begin, type Watch } from './watch.ts'

/**
 * Reads a recipe's file of kept rollouts; nothing of it is held out, since a reward is no preference.
 *
 * throws  UserError as loadRollouts
 */
export async function openRollouts(
  { rollouts: file }: FromRollouts,
  recipe: Recipe,
  models: Models,
  watch: Watch,
): Promise<TrainingSource> {
  const { checkpoint, referencePolicy, signal } = models
  const objective = recipe.objective as RolloutObjective
  const groups = await loadRollouts(file, { group: objective.group!, ...checkpoint.config })
  const rows = groups.length * objective.group!
  watch.note?.(`${file}: ${rows} completions in ${groups.length} ${groups.length === 1 ? 'group' : 'groups'}`)
  const { scores } = objective.kind
  const { padId } = checkpoint.config.reward ?? {}
  const read = (tree: Tree): Tree => (scores ? { ...tree, completions: tree.completions.map((ids) => upToPadding(ids, padId)) } : tree)
  const unscored = groups.map((group) => ({ ...group, tree: read(group.tree), label: 1 }))
  const prompts = groups.map(({ tree }) => tree.prompt)
  return {
    data: { role: 'rollouts', path: file, sha256: await hashFile(file), rows, used: rows, quarantined: {} },
    quarantined: [],
    shown: shownPrompts([], prompts, models),
    inside: groups.map(({ tree }) => [...tree.prompt, ...tree.completions[0]!]),
    work: async (steps) =>
      trainWork(
        { ...recipe.train, batch: orderOf(recipe, 0).batch },
        groups.map(({ tree }) => tree),
        steps,
      ),
    async examples() {
      if (scores) return { examples: unscored.map((example) => ({ ...example, reference: [] })) }
      const scored = await withReference(unscored, models, watch, objective)
      if (!objective.needs.includes('referenceTokens')) return { examples: scored }
      const bar = begin(watch, 'reference log-probabilities of tokens', groups.length)
      const tokens: number[][][] = []
      for (const { tree } of groups) {
        signal?.throwIfAborted()
        tokens.push(...(await scoreTokens(referencePolicy, [tree])))
        bar.advance(1)
      }
      bar.done()
      return { examples: scored.map((example, i): Example => ({ ...example, referenceTokens: tokens[i]! })) }
    },
    heldOut: async () => undefined,
  }
}
