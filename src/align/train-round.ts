import { rm } from 'node:fs/promises'
import { pairsTrained } from '../collect/collect.ts'
import { onDisk } from '../files/index.ts'
import { type Run, roundFolder } from '../runs/index.ts'
import type { LabelledRounds } from './label-rounds.ts'
import type { Rounds } from './rounds.ts'
import { trainInto } from './train-into.ts'

/** Trains on from the rollout before, or from the original model, and keeps what came of the last rollout under `rounds/`. */
export async function trainRound(rounds: Rounds, run: Run, round: number, { examples }: LabelledRounds): Promise<void> {
  const { recipe, preferences, models, rollouts, watch, signal } = rounds
  const { trainee } = models
  const [model, folder] = [`${roundFolder(round)}/model`, `${roundFolder(round)}/checkpoint`]
  // The checkpoint goes when the model is whole, so a model without one is a round that was trained to its end.
  if (run.has(model) && !run.has(`${folder}/state.safetensors`)) return trainee.load(await run.path(model))
  await trainee.reset()
  const toCome = rollouts.slice(examples.length).map((prompts) => prompts * pairsTrained(preferences))
  await trainInto(run, recipe, models, examples, { round, folder, watch, toCome, ...(signal ? { signal } : {}) })
  signal?.throwIfAborted()
  if (toCome.length > 0) return
  const place = await run.path(model)
  await onDisk(place, 4 * trainee.trained, () => trainee.save(place))
  await rm(await run.path(folder), { recursive: true, force: true })
}
