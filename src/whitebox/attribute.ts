import { constant, gradient, reshape, sum, type Tensor, tensor } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type Edit, edited, type Model, over, type See } from '../policy/index.ts'
import { type Contrast, type ContrastTexts, contrastOf, type Gap, shareOf } from './contrast.ts'
import { answerFeeds, differenceOf } from './masked-runs.ts'
import { gapOf, type PatchEffect, type PatchSite, patchSites, tapOfSite } from './patch.ts'
import { valuesAt } from './values-at.ts'

export interface AttributeOptions {
  readonly sites?: readonly PatchSite[]
  /** Points between the embeddings of both texts that the derivative is averaged over; 1 is the corrupted run alone. */
  readonly steps?: number
  readonly signal?: AbortSignal
}

export interface Attributed {
  /** The logit difference of the answers at the last position of both texts, nats. */
  readonly gap: Gap
  readonly effects: readonly PatchEffect[]
  /** What the embeddings of all tokens are given together: 1 where the points are enough, since integrated gradients add up to the whole. */
  readonly whole: number
}

/**
 * Attribution patching: what patching a clean value into the corrupted run would do, to first order: (a_clean − a_corrupted) · ∂m/∂a at the
 * corrupted run, as a share of m_clean − m_corrupted. With steps, two or more, the derivative is averaged over the middles of as many parts of
 * the way between the embeddings of the two texts: integrated gradients. One pass forward and one back for each step, whatever the number of places.
 *
 * throws  UserError as patch
 * limits  wrong where the model bends between the two runs: softmax and norms that are saturated; patch says what is true
 * source  Nanda 2023, "Attribution patching"; integrated gradients: Hanna et al. 2024, arXiv:2403.17806
 */
export async function attribute(model: Model, given: Contrast | ContrastTexts, options: AttributeOptions = {}): Promise<Attributed> {
  const { sites = patchSites } = options
  const contrast = contrastOf(model, given)
  const gap = await gapOf(model, contrast)
  const share = shareOf({ clean: gap.clean - gap.corrupted, corrupted: 0 })
  const layers = Array.from({ length: model.config.layers }, (_, layer) => layer)
  const taps = sites.flatMap((site) => layers.map((layer) => tapOfSite(site, layer)))
  const found = await attributions(model, contrast, [...taps, 'embed'], options)
  const T = contrast.clean.length
  const effects = sites.flatMap((site) =>
    layers.flatMap((layer) =>
      Array.from(found[tapOfSite(site, layer)]!.data, (effect, i): PatchEffect => {
        const head = site === 'heads' ? { head: Math.floor(i / T) } : {}
        return { site, layer, ...head, position: i % T, effect: share(effect) }
      }),
    ),
  )
  return { gap, effects, whole: share(Array.from(found.embed!.data).reduce((sum, x) => sum + x, 0)) }
}

/**
 * (a_clean − a_corrupted) · ∂m/∂a at taps, nats.
 *
 * shape   by tap, f32[T], of heads f32[heads, T]
 */
export async function attributions(
  model: Model,
  contrast: Contrast,
  taps: readonly string[],
  { steps = 1, signal }: Pick<AttributeOptions, 'steps' | 'signal'> = {},
): Promise<Record<string, Tensor>> {
  const clean = await valuesAt(model, contrast.clean, taps)
  const corrupted = await valuesAt(model, contrast.corrupted, taps)
  const delta = Object.fromEntries(
    taps.map((tap) => {
      const { shape, data } = clean[tap]!
      return [
        `delta.${tap}`,
        tensor(
          Float32Array.from(data, (x, i) => x - corrupted[tap]!.data[i]!),
          shape,
        ),
      ] as const
    }),
  )
  return meanOnTheWay(model, contrast, slopeSee(model.config, taps), { steps, feeds: delta, ...(signal ? { signal } : {}) })
}

/** The mean of what a function sees at points between the embeddings of the corrupted text (0) and the clean one (1). */
export async function meanOnTheWay(
  model: Model,
  { clean, corrupted, answer, wrong }: Contrast,
  see: See,
  { steps, feeds, signal }: { steps: number; feeds: Readonly<Record<string, Tensor>>; signal?: AbortSignal },
): Promise<Record<string, Tensor>> {
  const T = clean.length
  const { embed } = await valuesAt(model, clean, ['embed'])
  let way = 0
  const moving = { at: 'embed', feeds: () => ({ way: tensor(Float32Array.of(way), [1]), clean: embed! }) }
  const policy = steps === 1 ? model.policy : edited(model.policy, moveEdit, moving)
  const packing = { lengths: [T], tokenBudget: T, wantedMultiple: 1 }
  const fed = { ...feeds, ...answerFeeds([answer, wrong], T)() }
  const total: Record<string, Tensor> = {}
  for (let k = 0; k < steps; k++) {
    signal?.throwIfAborted()
    // Middles: where a norm bends sharply on the way, ends of parts and Gauss's points need many times as many.
    way = steps === 1 ? 0 : (k + 0.5) / steps
    const found = await over(policy, [{ prompt: corrupted, completions: [] }], see, { packing, feeds: () => fed })
    for (const [name, { shape, data, dtype }] of Object.entries(found)) {
      const sums = (total[name] ??= { dtype, shape, data: new Float64Array(data.length) })
      data.forEach((x, i) => {
        sums.data[i]! += x / steps
      })
    }
  }
  return total
}

const moveEdit: Edit = (_, x, at) => {
  const way = at.input('way', [1])
  return x.mul(constant(1).sub(way)).add(at.input('clean', x.shape.slice(1)).mul(way))
}

/** The derivative along what is fed, at each tap: the same function for the same taps, since programs are kept by it. */
function slopeSee(config: DecoderConfig, taps: readonly string[]): See {
  const key = `${config.logitCap} ${taps}`
  const attribution: See = (seen) => {
    const values = Object.fromEntries(taps.map((tap) => [tap, seen.tap(tap)]))
    const slopes = gradient(sum(differenceOf(seen, config)), values)
    return Object.fromEntries(
      taps.map((tap) => {
        const slope = slopes[tap]!
        const along = slope.mul(seen.input(`delta.${tap}`, slope.shape.slice(1)))
        return [tap, reshape(sum(along, [slope.shape.length - 1]), slope.shape.slice(1, -1))]
      }),
    )
  }
  const known = slopeSees.get(key) ?? attribution
  slopeSees.set(key, known)
  return known
}
const slopeSees = new Map<string, See>()
