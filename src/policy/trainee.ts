import { join } from 'node:path'
import { type Checkpoint, loadAdapters, loadCheckpoint, saveAdapters, saveCheckpoint } from '../checkpoints/index.ts'
import type { Resident } from '../engine/index.ts'
import { isTensor, leaves, type Tensor } from '../graph/index.ts'
import { type Adapters, decoderParams, freshAdapters, type Lora, mergeAdapters } from '../models/index.ts'
import { adapterLeaves, type Policy, placeAdapters, policyOf, readAdapters, readParams } from './policy.ts'

/** The policy that is trained, beside the reference it starts from and is measured against. */
export interface Trainee {
  readonly policy: Policy
  /** How many parameters are trained. */
  readonly trained: number
  /** Back to the reference: every round starts from the original model. */
  reset(): Promise<void>
  /** Writes the model as it stands (adapters merged in, and beside it in PEFT's form), for transformers to load. */
  save(folder: string): Promise<void>
  /** Goes on from what `save` wrote. */
  load(folder: string): Promise<void>
}

/** A copy of the reference's parameters, or adapters on top of them; its programs are its own, so that either can rest without the other. */
export async function openTrainee(
  reference: Policy,
  checkpoint: Checkpoint,
  { lora, seed }: { readonly lora?: Omit<Lora, 'seed'>; readonly seed: number },
): Promise<Trainee> {
  const { engine, config } = reference
  if (lora) {
    const start = freshAdapters(config, { ...lora, seed }, checkpoint.params)
    const policy = policyOf(engine, config, reference.params, await placeAdapters(engine, start))
    const write = async (from: Adapters<Tensor>) => {
      for (const [name, part] of adapterLeaves(from)) await engine.write(policy.given[name]!, part)
    }
    return {
      policy,
      trained: adapterLeaves(start).reduce((n, [, { data }]) => n + data.length, 0),
      reset: () => write(start),
      async save(folder) {
        const adapters = (await readAdapters(policy))!
        await saveCheckpoint(folder, checkpoint, mergeAdapters(checkpoint.params, adapters))
        await saveAdapters(join(folder, 'adapter'), adapters, { name: checkpoint.name, config })
      },
      async load(folder) {
        await write(await loadAdapters(join(folder, 'adapter'), config))
      },
    }
  }
  const entries = await Promise.all(
    Object.entries(reference.given).map(async ([name, { dtype, shape }]) => [name, await engine.allocate({ dtype, shape })] as const),
  )
  const given: Record<string, Resident> = Object.fromEntries(entries)
  const params = decoderParams(config, (path) => given[`params.${path}`]!)
  const policy = policyOf(engine, config, params)
  const whole = { count: 1, from: 0, to: 0 }
  const reset = async () => {
    for (const [name, from] of Object.entries(reference.given))
      await engine.copy(from, given[name]!, [{ length: from.slot.size, fromStart: 0, toStart: 0, outer: whole, inner: whole }])
  }
  await reset()
  return {
    policy,
    trained: entries.reduce((n, [, { slot }]) => n + slot.size, 0),
    reset,
    save: async (folder) => saveCheckpoint(folder, checkpoint, await readParams(policy)),
    async load(folder) {
      const { params: saved } = await loadCheckpoint(folder)
      for (const [path, tensor] of leaves(saved, isTensor)) await engine.write(given[`params.${path}`]!, tensor)
    },
  }
}
