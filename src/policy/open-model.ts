import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { type Model, modelOf } from './model.ts'
import { openPolicy } from './policy.ts'

export interface OpenOptions {
  /** Called with what is being done, a sentence each. */
  readonly onProgress?: (line: string) => void
  /** Edits that are done to it: a file, or several in their order. */
  readonly edit?: string | readonly string[] | undefined
}

/**
 * Opens a model: the one in the box (`stories5m`), a folder, a `.gguf` file, `owner/name` on the Hub, or a run's folder or that of one of its
 * rounds.
 *
 * throws  UserError as loadCheckpoint
 */
export async function openModel(name: string, options: OpenOptions = {}): Promise<Model> {
  const { params, ...facts } = await loadCheckpoint(name, options)
  for (const note of facts.notes ?? []) options.onProgress?.(`${facts.name}: ${note}`)
  const engine = openEngine()
  const policy = await openPolicy(engine, { ...facts, params }, undefined, { fixed: true })
  return modelOf(policy, facts, () => engine.close())
}
