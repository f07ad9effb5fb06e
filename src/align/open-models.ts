import { type Checkpoint, loadCheckpoint, readEdits, withEdits } from '../checkpoints/index.ts'
import { type Engine, openEngine } from '../engine/index.ts'
import type { Goal, ReadBy } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { edited, openPolicy, openTrainee, type Policy, type Trainee, underEditsOf, underFiles } from '../policy/index.ts'
import { openReference, type Reference } from '../policy/reference.ts'
import { seedFor } from '../random/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { withHead } from '../rewards/index.ts'
import { blockwiseFor, frozenOutside } from './memory-needs.ts'
import type { Watch } from './watch.ts'

/** The models a run works with, in one engine. */
export interface Models {
  readonly engine: Engine
  readonly checkpoint: Checkpoint
  readonly referencePolicy: Policy
  readonly reference: Reference
  readonly trainee: Trainee
  /** What is looked at: the trainee's policy, under the recipe's edit or not. */
  readonly lookPolicy: Policy
  /** Whether what is trained and the reference are one function before the first step; not where only one of them is edited. */
  readonly startsAsReference: boolean
  /** The files of the recipe's edit, in their order. */
  readonly edits: readonly { readonly name: string; readonly sha256: string }[]
  /** Aborted, scoring and sampling end after the batch they are at, by throwing the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Loads the model once and puts it into the engine twice: as the reference, and to be trained. Where nothing but training is done (`trains`) a
 * large reference stays outside.
 */
export async function openModels(
  recipe: Recipe,
  watch: Watch = {},
  { checkpoint, signal, trains = false }: { checkpoint?: Checkpoint; signal?: AbortSignal | undefined; trains?: boolean } = {},
): Promise<Models> {
  const fresh = recipe.fresh ? { fresh: seedFor(recipe.seed, 'fresh') } : {}
  const scores = recipe.objective.kind.scores
  const given =
    checkpoint ??
    (await loadCheckpoint(recipe.model, { onProgress: (line) => watch.note?.(line), ...fresh, as: scores ? 'either' : 'policy' }))
  const loaded = scores ? await withHead(given) : given
  const engine = openEngine()
  const { edit } = recipe
  const files = edit && 'files' in edit ? await readEdits(edit.files, loaded.config) : []
  const { edits: _, ...changed } = withEdits({ ...loaded, edits: [] }, files)
  if (edit && edit.looks !== edit.policy && changed.params !== loaded.params)
    throw new UserError(
      `edit.looks: must be as edit.policy where a file changes weights, got ${edit.looks} and ${edit.policy}; set both alike`,
    )
  const under = (holds: boolean | undefined, policy: Policy) => {
    if (!edit || !holds) return policy
    return 'files' in edit ? underFiles(policy, files) : edited(policy, edit.apply, edit)
  }
  const plain = await openPolicy(engine, loaded, undefined, { streamed: frozenOutside(loaded.config, recipe.train, trains) })
  // Where an edit changes weights, what is under it has parameters of its own.
  const other = changed.params === loaded.params ? plain : await openPolicy(engine, { ...changed, edits: loaded.edits ?? [] })
  const start = edit?.policy ? other : plain
  const opened = await openTrainee(start, start === plain ? loaded : { ...loaded, ...changed }, {
    ...recipe.train,
    blockwise: blockwiseFor(loaded.config, recipe.train),
  })
  const trainee = { ...opened, policy: underEditsOf(plain, opened.policy) }
  const referencePolicy = under(edit?.reference, edit?.reference ? other : plain)
  return {
    engine,
    checkpoint: loaded,
    referencePolicy,
    reference: await openReference(referencePolicy, edit?.reference ? changed.hash : loaded.hash),
    trainee: { ...trainee, policy: under(edit?.policy, trainee.policy) },
    lookPolicy: under(edit?.looks, trainee.policy),
    startsAsReference: edit?.policy === edit?.reference,
    edits: files.map(({ name, sha256 }) => ({ name, sha256 })),
    ...(signal ? { signal } : {}),
  }
}

/** The frozen model that goals are read in. */
export function readBy({ referencePolicy, checkpoint }: Models): ReadBy {
  return { policy: referencePolicy, checkpoint }
}

/** Every goal that a recipe measures: the prior's, and the gold measure. */
export function goalsOf({ prior, gold }: Pick<Recipe, 'prior' | 'gold'>): Goal[] {
  return [...(prior?.goals ?? []), ...(gold ? [gold] : [])]
}

/** What a batch of scores is followed by, so that Ctrl-C is heard there. */
export function heeding({ signal }: Pick<Models, 'signal'>): () => void {
  return () => signal?.throwIfAborted()
}
