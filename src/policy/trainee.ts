import { join } from 'node:path'
import {
  type Checkpoint,
  type EditFile,
  editTarget,
  loadAdapters,
  loadCheckpoint,
  makeEdit,
  readEdit,
  saveAdapters,
  saveCheckpoint,
  writeEdit,
} from '../checkpoints/index.ts'
import { outsideOf, type Resident } from '../engine/index.ts'
import { isTensor, leaves, type Tensor, tensor } from '../graph/index.ts'
import { type Adapters, decoderParams, freshAdapters, type Lora, mergeAdapters } from '../models/index.ts'
import { adapterLeaves, type Policy, placeAdapters, policyOf, readAdapters, readParams } from './policy.ts'

/** The policy that is trained, beside the reference it starts from and is measured against. */
export interface Trainee {
  readonly policy: Policy
  /** How many parameters are trained. */
  readonly trained: number
  /** Back to the reference: every round starts from the original model. */
  reset(): Promise<void>
  /** Writes the model as it stands (adapters merged in, and beside it in PEFT's form, or an edit as a file of edits), for transformers to load. */
  save(folder: string): Promise<void>
  /** Goes on from what `save` wrote. */
  load(folder: string): Promise<void>
}

/** A copy of the reference's parameters, or adapters on top of them; its programs are its own, so that either can rest without the other. */
export async function openTrainee(
  reference: Policy,
  checkpoint: Checkpoint,
  {
    lora,
    edit,
    seed,
    blockwise = false,
  }: { readonly lora?: Omit<Lora, 'seed'>; readonly edit?: object; readonly seed: number; readonly blockwise?: boolean },
): Promise<Trainee> {
  const { engine, config } = reference
  if (lora) {
    const start = freshAdapters(config, { ...lora, seed }, checkpoint.params)
    const { score } = checkpoint.params
    const own = score && { score: await engine.allocate(score) }
    const policy = policyOf(engine, config, { ...reference.params, ...own }, await placeAdapters(engine, start), { blockwise })
    const write = async (from: Adapters<Tensor>, head = score) => {
      for (const [name, part] of adapterLeaves(from)) await engine.write(policy.given[name]!, part)
      if (own) await engine.write(own.score, head!)
    }
    await write(start)
    return {
      policy,
      trained: adapterLeaves(start).reduce((n, [, { data }]) => n + data.length, score?.data.length ?? 0),
      reset: () => write(start),
      async save(folder) {
        const adapters = (await readAdapters(policy))!
        const merged = mergeAdapters(checkpoint.params, adapters)
        await saveCheckpoint(folder, checkpoint, own ? { ...merged, score: await engine.read(own.score) } : merged)
        // An adapter alone is no reward model: its head is in the folder's weights.
        if (own) return
        if (edit) await writeEdit(join(folder, editName), editOf(adapters, checkpoint))
        else await saveAdapters(join(folder, 'adapter'), adapters, { name: checkpoint.name, config })
      },
      async load(folder) {
        if (own) throw new Error('internal: a reward model with adapters must be trained from its start')
        await write(edit ? adaptersOf(await readEdit(join(folder, editName))) : await loadAdapters(join(folder, 'adapter'), config))
      },
    }
  }
  const entries = await Promise.all(
    Object.entries(reference.given).map(async ([name, { dtype, shape }]) => [name, await engine.allocate({ dtype, shape })] as const),
  )
  const given: Record<string, Resident> = Object.fromEntries(entries)
  const params = decoderParams(config, (path) => given[`params.${path}`]!)
  const policy = policyOf(engine, config, params, undefined, { blockwise })
  const whole = { count: 1, from: 0, to: 0 }
  const reset = async () => {
    for (const [name, from] of Object.entries(reference.given)) {
      const tensor = outsideOf(from)
      if (tensor) await engine.write(given[name]!, tensor)
      else await engine.copy(from, given[name]!, [{ length: from.slot.size, fromStart: 0, toStart: 0, outer: whole, inner: whole }])
    }
  }
  await reset()
  return {
    policy,
    trained: entries.reduce((n, [, { slot }]) => n + slot.size, 0),
    reset,
    save: async (folder) => saveCheckpoint(folder, checkpoint, await readParams(policy)),
    async load(folder) {
      const { params: saved } = await loadCheckpoint(folder, { as: 'either' })
      for (const [path, tensor] of leaves(saved, isTensor)) await engine.write(given[`params.${path}`]!, tensor)
    },
  }
}

const editName = 'edit.safetensors'

/** Adapters as an edit of weights: up is scale · b, down is a. */
function editOf({ layers, scale }: Adapters<Tensor>, { config, hash }: Checkpoint): EditFile {
  const tensors: Record<string, Tensor> = {}
  for (const [path, { a, b }] of Object.entries(layers)) {
    tensors[`${path}.up`] = tensor(Float32Array.from(b.data, (x) => scale * x), b.shape) // biome-ignore format: one line
    tensors[`${path}.down`] = a
  }
  const weights = Object.fromEntries(Object.keys(layers).map((path) => [path, { up: `${path}.up`, down: `${path}.down` }]))
  return makeEdit({ name: 'trained', for: editTarget(config, hash), acts: [{ kind: 'lowRank', weights }], made: { by: 'align' }, tensors })
}

/** What `editOf` was made of, at a scale of 1. */
function adaptersOf({ acts, tensors }: EditFile): Adapters<Tensor> {
  const [act] = acts
  const weights = act?.kind === 'lowRank' ? Object.entries(act.weights) : []
  return { scale: 1, layers: Object.fromEntries(weights.map(([path, { up, down }]) => [path, { a: tensors[down]!, b: tensors[up]! }])) }
}
