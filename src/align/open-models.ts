import { type Checkpoint, loadCheckpoint } from '../checkpoints/index.ts'
import { type Engine, openEngine } from '../engine/index.ts'
import type { Goal, ReadBy } from '../goals/index.ts'
import { edited, openPolicy, openTrainee, type Policy, type Trainee } from '../policy/index.ts'
import { openReference, type Reference } from '../policy/reference.ts'
import { seedFor } from '../random/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
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
  /** Aborted, scoring and sampling end after the batch they are at, by throwing the signal's reason. */
  readonly signal?: AbortSignal
}

/** Loads the model once and puts it into the engine twice: as the reference, and to be trained. */
export async function openModels(
  recipe: Recipe,
  watch: Watch = {},
  { checkpoint, signal }: { checkpoint?: Checkpoint; signal?: AbortSignal | undefined } = {},
): Promise<Models> {
  const fresh = recipe.fresh ? { fresh: seedFor(recipe.seed, 'fresh') } : {}
  const loaded = checkpoint ?? (await loadCheckpoint(recipe.model, { onProgress: (line) => watch.note?.(line), ...fresh }))
  const engine = openEngine()
  const { edit } = recipe
  const under = (holds: boolean | undefined, policy: Policy) => (edit && holds ? edited(policy, edit.apply, edit) : policy)
  const plain = await openPolicy(engine, loaded)
  const trainee = await openTrainee(plain, loaded, recipe.train)
  const referencePolicy = under(edit?.reference, plain)
  return {
    engine,
    checkpoint: loaded,
    referencePolicy,
    reference: await openReference(referencePolicy, loaded.hash),
    trainee: { ...trainee, policy: under(edit?.policy, trainee.policy) },
    lookPolicy: under(edit?.looks, trainee.policy),
    startsAsReference: edit?.policy === edit?.reference,
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
