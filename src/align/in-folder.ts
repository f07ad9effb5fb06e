import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Recipe } from '../recipe/recipe.ts'
import { createRun, type Run } from '../runs/index.ts'
import { manifestOf } from './manifest.ts'
import type { Models } from './open-models.ts'

/** Does something that keeps its rows in a run folder, in one that goes away. */
export async function inFolder<T>(recipe: Recipe, models: Models, make: (run: Run) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'innate-audit-'))
  try {
    const run = await createRun(folder, await manifestOf(recipe, 'align', models, [], 'innate audit'))
    try {
      return await make(run)
    } finally {
      await run.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
