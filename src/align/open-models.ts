import { type Checkpoint, loadCheckpoint } from '../checkpoints/index.ts'
import { type Engine, openEngine } from '../engine/index.ts'
import { openPolicy, openTrainee, type Policy, type Trainee } from '../policy/index.ts'
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
}

/** Loads the model once and puts it into the engine twice: as the reference, and to be trained. */
export async function openModels(recipe: Recipe, watch: Watch = {}, checkpoint?: Checkpoint): Promise<Models> {
  const fresh = recipe.fresh ? { fresh: seedFor(recipe.seed, 'fresh') } : {}
  const loaded = checkpoint ?? (await loadCheckpoint(recipe.model, { onProgress: (line) => watch.note?.(line), ...fresh }))
  const engine = openEngine()
  const referencePolicy = await openPolicy(engine, loaded)
  const trainee = await openTrainee(referencePolicy, loaded, recipe.train)
  return { engine, checkpoint: loaded, referencePolicy, reference: await openReference(referencePolicy, loaded.hash), trainee }
}
