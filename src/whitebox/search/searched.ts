import type { Resident } from '../../engine/index.ts'
import { isResident } from '../../engine/index.ts'
import { mapNested, takeRows, tensor } from '../../graph/index.ts'
import type { DecoderConfig } from '../../models/config.ts'
import type { DecoderParams } from '../../models/params.ts'
import { type Edit, edited, type Model, over, type Policy, policyOf, type See } from '../../policy/index.ts'
import { random } from '../../random/index.ts'
import { aboveOf } from './above.ts'
import type { Changes } from './edit-form.ts'
import { completionLoss, fisherMoments, klLoss, type Looked, scoreGap } from './search-losses.ts'
import type { Site } from './sites.ts'
import { type TextBatch, tableOf, textBatches } from './text-batches.ts'

/** A mean loss and its slope with respect to the change of every site. */
export interface Slopes {
  readonly loss: number
  readonly slopes: Changes
}

/** Texts with what is wanted of them: completions, or the predictions of a model. */
export interface Wanted {
  readonly batches: number
  /** The loss of one batch, the mean over its texts or tokens, and its slopes: of some sites, of all where left out. */
  slope(batch: number, of?: readonly Site[]): Promise<Slopes>
  /** The same loss without slopes, which costs less. */
  loss(batch: number): Promise<number>
  /** By text: the loss summed over what counts, and how many tokens that is; of completions also the summed gap to the likeliest tokens. */
  measure(): Promise<readonly Measured[]>
}

export interface Measured {
  readonly loss: number
  readonly tokens: number
  readonly gap: number
}

/** What a model predicts of texts: final states, and the head that reads them. */
export interface Predicted {
  readonly config: Pick<DecoderConfig, 'hiddenSize' | 'logitCap'>
  readonly head: Resident
  /** By text, f32[tokens · d]. */
  readonly states: readonly Float32Array[]
}

/** A model whose sites can be changed again and again, without being compiled again. */
export interface Searched {
  readonly policy: Policy
  /** Texts read forward, and backward too. */
  readonly passes: { forward: number; backward: number }
  put(changes: Changes): Promise<void>
  /** Texts whose completion, from a place on, should be said. */
  saying(texts: readonly { readonly ids: readonly number[]; readonly from: number }[]): Wanted
  /** Texts whose next tokens should be predicted as another model does, at every token. */
  predicting(texts: readonly (readonly number[])[], as: Predicted): Wanted
  /** By how much the token at `at` is scored below the likeliest one there, with the slopes of that. */
  gap(ids: readonly number[], at: number, rival: number): Promise<Slopes>
  /** Of matrices: E[S·Sᵀ] and E[Sᵀ·S] of slopes S whose second moment is the Fisher information of the predictions at a token of texts. */
  moments(
    texts: readonly (readonly number[])[],
    seed: number,
  ): Promise<Readonly<Record<string, { readonly left: Float64Array; readonly right: Float64Array }>>>
  close(): Promise<void>
}

export interface SearchedOptions {
  /** The one token that activations are changed at; all of them when left out. */
  readonly position?: number
  readonly signal?: AbortSignal | undefined
}

/** Opens a model for search at sites. The model itself stays as it is. */
export async function searched(
  model: Pick<Model, 'policy' | 'config'>,
  kind: 'weights' | 'activations',
  sites: readonly Site[],
  { position, signal }: SearchedOptions = {},
): Promise<Searched> {
  const { config } = model
  const { engine, params, edits } = model.policy
  const placed: Record<string, Resident> = {}
  const where = tensor(
    Float32Array.from({ length: config.contextLength }, (_, t) => Number(position === undefined || t === position)),
    [config.contextLength, 1],
  )
  for (const { name, shape } of sites) placed[name] = await engine.allocate({ dtype: 'f32', shape })
  const own =
    kind === 'activations'
      ? edited(model.policy, addedIn(config.contextLength), { at: sites.map(({ name }) => name), feeds: () => ({ ...placed, where }) })
      : policyOf(
          engine,
          config,
          mapNested(params as never, isResident, (resident: Resident, path: string) => placed[path] ?? resident) as DecoderParams<Resident>,
        )
  const policy = kind === 'weights' && edits ? { ...own, edits } : own
  const passes = { forward: 0, backward: 0 }
  const looked = (of: readonly Site[]): Looked => ({ config, over: kind, slopes: of.map(({ name }) => name) })

  const above = aboveOf(model.policy)
  let lowest = 0
  const lowestOf = (of: readonly Site[]) => of.reduce((least, { layer = 0 }) => Math.min(least, layer), config.layers)

  async function run(
    batch: TextBatch,
    see: See,
    feeds: Record<string, Resident | ReturnType<typeof tensor>>,
    per: 'batch' | 'tree',
    of: readonly Site[],
  ) {
    signal?.throwIfAborted()
    const { trees, R, T, places } = batch
    const first = Math.min(lowest, lowestOf(of), config.layers - 1)
    const there = first > 0 ? await above.policy(policy, first - 1, batch) : policy
    passes.forward += places.length
    if (per === 'batch') passes.backward += places.length
    const all = kind === 'activations' && per === 'batch' ? { ...feeds, where } : feeds
    return over(there, trees, see, { per, feeds: () => all, packing: { lengths: [T], tokenBudget: R * T, wantedMultiple: 1 } })
  }
  const slopesIn = (found: Record<string, { readonly data: ArrayLike<number> }>, of: readonly Site[]): Slopes => ({
    loss: found.loss!.data[0]!,
    slopes: Object.fromEntries(of.map(({ name }) => [name, Float64Array.from(found[name]!.data)])),
  })

  function wanted(
    batches: readonly TextBatch[],
    count: number,
    see: (of: readonly Site[]) => See,
    feedsOf: (batch: TextBatch, share: boolean) => Record<string, Resident | ReturnType<typeof tensor>>,
    tokensOf: (text: number) => number,
  ): Wanted {
    return {
      batches: batches.length,
      slope: async (number, of = sites) => slopesIn(await run(batches[number]!, see(of), feedsOf(batches[number]!, true), 'batch', of), of),
      async loss(number) {
        const batch = batches[number]!
        const { loss } = await run(batch, see([]), feedsOf(batch, true), 'tree', [])
        return batch.places.reduce((sum, _, r) => sum + loss!.data[r]!, 0)
      },
      async measure() {
        const measured: Measured[] = new Array(count)
        for (const batch of batches) {
          const { loss, gap } = await run(batch, see([]), feedsOf(batch, false), 'tree', [])
          batch.places.forEach((text, r) => {
            measured[text] = { loss: loss!.data[r]!, gap: gap?.data[r] ?? 0, tokens: tokensOf(text) }
          })
        }
        return measured
      },
    }
  }

  return {
    policy,
    passes,
    async put(changes) {
      lowest = lowestOf(sites.filter(({ name }) => changes[name]?.some((x) => x !== 0)))
      for (const { name, shape, weight, numbers } of sites) {
        const change = changes[name] ?? new Float64Array(numbers)
        await engine.write(
          placed[name]!,
          tensor(
            Float32Array.from(change, (x, i) => (weight ? weight[i]! + x : x)),
            shape,
          ),
        )
      }
    },
    saying(texts) {
      const batches = textBatches(
        texts.map(({ ids }) => ids),
        config,
      )
      return wanted(
        batches,
        texts.length,
        (of) => completionLoss(looked(of)),
        (batch, share) => ({
          next: nextOf(
            batch,
            texts.map(({ ids }) => ids),
          ),
          weights: tableOf(batch, batch.T, (row, text) =>
            row.fill(share ? 1 / batch.places.length : 1, texts[text]!.from - 1, texts[text]!.ids.length - 1),
          ),
        }),
        (text) => texts[text]!.ids.length - texts[text]!.from,
      )
    },
    predicting(texts, { config: other, head, states }) {
      const batches = textBatches(texts, config)
      const d = other.hiddenSize
      return wanted(
        batches,
        texts.length,
        (of) => klLoss(looked(of), other),
        (batch, share) => {
          const tokens = batch.places.reduce((sum, text) => sum + texts[text]!.length, 0)
          return {
            head,
            states: tableOf(batch, batch.T * d, (row, text) => row.set(states[text]!)),
            weights: tableOf(batch, batch.T, (row, text) => row.fill(share ? 1 / tokens : 1, 0, texts[text]!.length)),
          }
        },
        (text) => texts[text]!.length,
      )
    },
    async gap(ids, at, rival) {
      const [batch] = textBatches([ids], config)
      const weights = tableOf(batch!, batch!.T, (row) => row.fill(1, at - 1, at))
      const rivals = tensor(new Int32Array(batch!.T).fill(rival), [1, batch!.T])
      return slopesIn(
        await run(batch!, scoreGap(looked(sites)), { next: nextOf(batch!, [ids]), rival: rivals, weights }, 'batch', sites),
        sites,
      )
    },
    async moments(texts, seed) {
      const sums: Record<string, { left: Float64Array; right: Float64Array }> = {}
      for (const { name, shape } of sites) sums[name] = { left: new Float64Array(shape[0]! ** 2), right: new Float64Array(shape[1]! ** 2) }
      const batches = textBatches(texts, config)
      for (const [number, batch] of batches.entries()) {
        const drawn = random(seed, `search/probe/${number}`)
        let at = 0
        const sign = () => (drawn.uniform(at++) < 0.5 ? -1 : 1)
        const tokens = batch.places.reduce((sum, text) => sum + texts[text]!.length, 0)
        const weights = tableOf(batch, batch.T, (row, text) => {
          for (let t = 0; t < texts[text]!.length; t++) row[t] = sign() / Math.sqrt(tokens)
        })
        const signs = tensor(Float32Array.from({ length: config.vocabSize }, sign), [config.vocabSize])
        const found = await run(batch, fisherMoments(looked(sites)), { weights, signs }, 'batch', sites)
        for (const [name, { left, right }] of Object.entries(sums)) {
          found[`${name}.left`]!.data.forEach((x, i) => void (left[i]! += x / batches.length))
          found[`${name}.right`]!.data.forEach((x, i) => void (right[i]! += x / batches.length))
        }
      }
      return sums
    },
    async close() {
      await policy.rest()
      for (const resident of Object.values(placed)) await engine.release(resident)
    },
  }
}

/** Adds a vector that is fed to the tokens that a table over positions names; one function for each length of it, since programs are kept by it. */
function addedIn(context: number): Edit {
  const known =
    adding.get(context) ??
    ((tap, x, at) => x.add(takeRows(at.input('where', [context, 1]), at.positions).mul(at.input(tap, [x.shape.at(-1)!]))))
  adding.set(context, known)
  return known
}
const adding = new Map<number, Edit>()

/** The token after each, i32[texts, T]; 0 where there is none. */
function nextOf({ R, T, places }: TextBatch, texts: readonly (readonly number[])[]) {
  const data = new Int32Array(R * T)
  for (const [r, text] of places.entries()) data.set(texts[text]!.slice(1), r * T)
  return tensor(data, [R, T])
}
