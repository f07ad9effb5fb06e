import type { Resident } from '../../engine/index.ts'
import { isResident } from '../../engine/index.ts'
import { mapNested, takeRows, tensor } from '../../graph/index.ts'
import type { DecoderConfig } from '../../models/config.ts'
import type { DecoderParams } from '../../models/params.ts'
import { type Edit, edited, type Model, over, type Policy, policyOf, type See } from '../../policy/index.ts'
import type { Changes } from './edit-form.ts'
import { completionLoss, klLoss, type Looked, scoreGap } from './search-losses.ts'
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
  /** The loss of one batch, the mean over its texts or tokens, and its slopes. */
  slope(batch: number): Promise<Slopes>
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
  const looked = (slopes: boolean): Looked => ({ config, over: kind, slopes: slopes ? sites.map(({ name }) => name) : [] })

  async function run(batch: TextBatch, see: See, feeds: Record<string, Resident | ReturnType<typeof tensor>>, per: 'batch' | 'tree') {
    signal?.throwIfAborted()
    const { trees, R, T, places } = batch
    passes.forward += places.length
    if (per === 'batch') passes.backward += places.length
    const all = kind === 'activations' && per === 'batch' ? { ...feeds, where } : feeds
    return over(policy, trees, see, { per, feeds: () => all, packing: { lengths: [T], tokenBudget: R * T, wantedMultiple: 1 } })
  }
  const slopesIn = (found: Record<string, { readonly data: ArrayLike<number> }>): Slopes => ({
    loss: found.loss!.data[0]!,
    slopes: Object.fromEntries(sites.map(({ name }) => [name, Float64Array.from(found[name]!.data)])),
  })

  function wanted(
    batches: readonly TextBatch[],
    count: number,
    see: (slopes: boolean) => See,
    feedsOf: (batch: TextBatch, share: boolean) => Record<string, Resident | ReturnType<typeof tensor>>,
    tokensOf: (text: number) => number,
  ): Wanted {
    return {
      batches: batches.length,
      slope: async (number) => slopesIn(await run(batches[number]!, see(true), feedsOf(batches[number]!, true), 'batch')),
      async measure() {
        const measured: Measured[] = new Array(count)
        for (const batch of batches) {
          const { loss, gap } = await run(batch, see(false), feedsOf(batch, false), 'tree')
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
        (slopes) => completionLoss(looked(slopes)),
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
        (slopes) => klLoss(looked(slopes), other),
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
      return slopesIn(await run(batch!, scoreGap(looked(true)), { next: nextOf(batch!, [ids]), rival: rivals, weights }, 'batch'))
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
