import { type EditFile, editTarget, makeEdit } from '../checkpoints/index.ts'
import { gradient, graph, reshape, slice, sum, type Tensor, takeRows, tensor, type Value } from '../graph/index.ts'
import { freshAdapters } from '../models/index.ts'
import { type Model, over, type Policy, type See } from '../policy/index.ts'
import { adapterLeaves, placeAdapters, policyOf, readAdapters } from '../policy/policy.ts'
import { adamw, traceUpdate } from '../train/index.ts'
import { valuesAt } from './values-at.ts'

export interface FitLorra {
  /** The block whose output moves. */
  readonly layer: number
  /** Where it moves to: strength times this away from what it is. */
  readonly direction: ArrayLike<number>
  readonly strength: number
  /** Inner width of each adapter. */
  readonly rank?: number
  readonly steps?: number
  /** Of the first step; it falls to 0 in a straight line. */
  readonly lr?: number
  readonly seed?: number
  readonly onStep?: (step: number, loss: number) => void
  readonly signal?: AbortSignal | undefined
}

/** A low-rank change of weights that was trained, as a policy to score with and an edit to keep. */
export interface Lorra {
  /** The model under it; its parameters are the model's own. */
  readonly policy: Policy
  /** ‖h − (h₀ + strength · direction)‖² / ‖strength · direction‖², the mean over tokens, at every step: 1 at the first. */
  readonly losses: readonly number[]
  edit(name: string, told?: Pick<EditFile, 'about' | 'made' | 'measured'>): Promise<EditFile>
  close(): Promise<void>
}

/** Texts that are read at a time. */
const atOnce = 8

/**
 * Low-rank representation adaptation: adapters of all linear layers up to a block are trained so that what the block writes on texts is what it was, plus
 * strength times a direction. What it was is read once, in the model without them.
 *
 * units   loss as in Lorra
 * source  Zou et al. 2023, arXiv:2310.01405, section 4 (LoRRA), with one block as the target
 */
export async function fitLorra(
  model: Pick<Model, 'policy' | 'config' | 'hash'>,
  texts: readonly (readonly number[])[],
  how: FitLorra,
): Promise<Lorra> {
  const { layer, direction, strength, rank = 4, steps = 60, lr = 1e-3, seed = 0, signal } = how
  const { config } = model
  const { engine, params, edits } = model.policy
  const start = freshAdapters(config, { rank, alpha: rank, layers: Array.from({ length: layer + 1 }, (_, l) => l), seed })
  const own = policyOf(engine, config, params, await placeAdapters(engine, start))
  const policy = edits ? { ...own, edits } : own
  const leaves = adapterLeaves(start)
  const push = Float32Array.from(direction, (x) => strength * x)
  const size = push.reduce((total, x) => total + x * x, 0)
  const losses: number[] = []
  if (size > 0) await train()
  return {
    policy,
    losses,
    async edit(name, told = {}) {
      const { layers, scale } = (await readAdapters(policy))!
      const tensors: Record<string, Tensor> = {}
      const weights = Object.fromEntries(
        Object.entries(layers).map(([path, { a, b }]) => {
          Object.assign(tensors, { [`${path}.down`]: a, [`${path}.up`]: b })
          return [path, { up: `${path}.up`, down: `${path}.down` }]
        }),
      )
      return makeEdit({ name, for: editTarget(config, model.hash), acts: [{ kind: 'lowRank', weights, scale }], tensors, ...told })
    },
    async close() {
      await policy.rest()
      for (const [name] of leaves) await engine.release(policy.given[name]!)
    },
  }

  async function train(): Promise<void> {
    const batches = await batchesOf({ ...model, policy: model.policy } as Model, texts, `blocks.${layer}.out`, push)
    const optimizer = adamw({ lr })
    const { inputs, outputs } = traceUpdate(optimizer)
    const update = await engine.compileUpdate(graph(inputs, outputs))
    const zeros = () => Promise.all(leaves.map(([, { shape }]) => engine.allocate({ dtype: 'f32', shape })))
    const [grads, m, v] = [await zeros(), await zeros(), await zeros()]
    const see = seeOf(layer)
    try {
      for (let step = 1; step <= steps; step++) {
        signal?.throwIfAborted()
        const { trees, T, feeds } = batches[(step - 1) % batches.length]!
        const packing = { lengths: [T], tokenBudget: trees.length * T, wantedMultiple: 1 }
        const found = await over(policy, trees, see, { packing, feeds: () => feeds })
        const loss = found.loss!.data[0]! / size
        for (const [i, [name, { shape }]] of leaves.entries())
          await engine.write(grads[i]!, tensor(Float32Array.from(found[name]!.data, (x) => x / size), shape)) // biome-ignore format: one line
        const items = leaves.map(([name], i) => ({ param: policy.given[name]!, grad: grads[i]!, m: m[i]!, v: v[i]! }))
        await update.apply(items, { lr: lr * (1 - (step - 1) / steps), clip: 1, ...optimizer.scalars(step) })
        losses.push(loss)
        how.onStep?.(step, loss)
      }
    } finally {
      for (const one of [...grads, ...m, ...v]) await engine.release(one)
    }
  }
}

/** Texts of one length each batch, filled up behind their end, with what their tokens should become. */
async function batchesOf(model: Model, texts: readonly (readonly number[])[], tap: string, push: Float32Array) {
  const d = push.length
  const T = Math.min(Math.ceil(Math.max(...texts.map(({ length }) => length)) / 8) * 8, model.config.contextLength)
  const wanted: Float32Array[] = []
  for (const ids of texts) wanted.push((await valuesAt(model, ids, [tap]))[tap]!.data.map((x, i) => x + push[i % d]!) as Float32Array)
  const count = Math.ceil(texts.length / atOnce)
  const R = Math.ceil(texts.length / count)
  return Array.from({ length: count }, (_, b) => {
    const here = texts.map((_, i) => i).filter((i) => i % count === b)
    const [targets, weights] = [new Float32Array(R * T * d), new Float32Array(R * T)]
    const tokens = here.reduce((sum, i) => sum + texts[i]!.length, 0)
    for (const [r, i] of here.entries()) {
      targets.set(wanted[i]!, r * T * d)
      weights.fill(1 / tokens, r * T, r * T + texts[i]!.length)
    }
    const trees = Array.from({ length: R }, (_, r) => {
      const ids = texts[here[r] ?? here[0]!]!
      return { prompt: [...ids, ...new Array<number>(T - ids.length).fill(ids.at(-1)!)], completions: [] }
    })
    return { trees, T, feeds: { targets: tensor(targets, [R, T * d]), weights: tensor(weights, [R, T]) } }
  })
}

/** Σ weight · ‖h − target‖² over the tokens, and its gradient with respect to every part of the adapters. */
function seeOf(layer: number): See {
  const known = sees.get(layer)
  if (known) return known
  const lorra: See = ({ tap, adapters, text, input }) => {
    const x = tap(`blocks.${layer}.out`)
    const [R, T, d] = x.shape as [number, number, number]
    const row = (table: Value) => takeRows(table, reshape(slice(text, 1, 0, 1), [R]))
    const missed = x.sub(reshape(row(input('targets', [R, T * d])), x.shape))
    const loss = sum(missed.mul(missed).mul(reshape(row(input('weights', [R, T])), [R, T, 1])))
    const slopes = gradient(loss, Object.fromEntries(adapterLeaves(adapters)))
    return { loss: reshape(loss, [1]), ...slopes }
  }
  sees.set(layer, lorra)
  return lorra
}
const sees = new Map<number, See>()
