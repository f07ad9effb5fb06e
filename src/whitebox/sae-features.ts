import { UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type Quality, qualities } from './autoencoder-quality.ts'
import { type Active, openEncoder } from './open-encoder.ts'
import { ratioInterval } from './ratio-interval.ts'
import type { SparseAutoencoder } from './sparse-autoencoder.ts'
import type { ReadText } from './text-file.ts'
import { type TokenRows, tokenRows } from './token-rows.ts'

/** The strongest token of a text for a feature. */
export interface FeatureExample {
  /** The text's place among those read, and the token's in it, both from 0. */
  readonly text: number
  readonly position: number
  readonly activation: number
  /** The token as text, and what stands around it. */
  readonly token: string
  readonly before: string
  readonly after: string
}

/** What a feature is above 0 of. */
export interface FeatureUse {
  readonly feature: number
  /** Share of tokens, over texts. */
  readonly frequency: Estimate
  /** Its mean where it is above 0, and its largest value; 0 of one that is never used. */
  readonly mean: number
  readonly max: number
  /** Its share of the sum of squares of all features. */
  readonly weight: number
  /** One token of each text, the strongest first. */
  readonly top: readonly FeatureExample[]
}

export interface FeaturesOptions {
  readonly tap: string
  readonly skip?: number
  /** Examples of each feature. Default 5. */
  readonly top?: number
  readonly signal?: AbortSignal
  readonly onText?: (done: number, of: number) => void
}

/** Tokens of an example before and after the strongest. */
const around = 8

interface Tally {
  sum: number
  square: number
  max: number
  readonly counts: Map<number, number>
  readonly top: { text: number; position: number; activation: number }[]
}

/**
 * What every feature of an autoencoder is above 0 of: how often, how strongly, and the texts where it is strongest; with how well rows come back.
 *
 * throws  UserError for an autoencoder of another width, and with fewer than two texts
 */
export async function saeFeatures(
  model: Model,
  autoencoder: SparseAutoencoder,
  texts: readonly Pick<ReadText, 'ids'>[],
  { tap, skip = 1, top = 5, signal, onText }: FeaturesOptions,
): Promise<{ features: FeatureUse[]; quality: Quality }> {
  const [d, count] = autoencoder.params.W_enc.shape as [number, number]
  const tallies = Array.from({ length: count }, (): Tally => ({ sum: 0, square: 0, max: 0, counts: new Map(), top: [] }))
  const sizes: number[] = []
  const encoder = await openEncoder(model.policy.engine, autoencoder)
  try {
    async function* checked(): AsyncGenerator<TokenRows> {
      for await (const some of tokenRows(model, texts, { tap, skip, ...(signal ? { signal } : {}) })) {
        const width = some.rows[0]!.shape[1]!
        if (width !== d) throw new UserError(`autoencoder: must read the ${width} numbers of ${tap}, got one of ${d}; is it of another model or tap?`) // biome-ignore format: one line
        yield some
      }
    }
    const { own } = await qualities(checked(), {
      own: {
        features: count,
        async read(x) {
          const active = await encoder.encode(x)
          const text = sizes.push(active.length) - 1
          for (const [i, row] of active.entries()) add(tallies, row, { text, position: i + skip }, top)
          onText?.(text + 1, texts.length)
          return { back: encoder.decode(active), active: active.map(({ features }) => features) }
        },
      },
    })
    const squares = tallies.reduce((sum, { square }) => sum + square, 0)
    const features = tallies.map(({ sum, square, max, counts, top }, feature): FeatureUse => {
      const used = [...counts.values()].reduce((a, b) => a + b, 0)
      const here = sizes.map((_, text) => counts.get(text) ?? 0)
      const frequency = ratioInterval('frequency', here, sizes, 'share')
      return {
        feature,
        frequency: { ...frequency, low: Math.max(0, frequency.low), high: Math.min(1, frequency.high) },
        mean: used === 0 ? 0 : sum / used,
        max,
        weight: squares === 0 ? 0 : square / squares,
        top: top.map((one) => ({ ...one, ...wordsOf(model, texts[one.text]!.ids, one.position) })),
      }
    })
    return { features, quality: own }
  } finally {
    await encoder.close()
  }
}

function add(tallies: readonly Tally[], { features, values }: Active, at: { text: number; position: number }, most: number): void {
  for (const [j, f] of features.entries()) {
    const [tally, activation] = [tallies[f]!, values[j]!]
    tally.sum += activation
    tally.square += activation ** 2
    tally.max = Math.max(tally.max, activation)
    tally.counts.set(at.text, (tally.counts.get(at.text) ?? 0) + 1)
    const { top } = tally
    const same = top.findIndex(({ text }) => text === at.text)
    if (same >= 0 && top[same]!.activation >= activation) continue
    if (same >= 0) top.splice(same, 1)
    const place = top.findIndex((one) => one.activation < activation)
    top.splice(place < 0 ? top.length : place, 0, { ...at, activation })
    if (top.length > most) top.pop()
  }
}

function wordsOf({ tokenizer }: Model, ids: readonly number[], position: number) {
  const from = Math.max(0, position - around)
  const [before, upTo, whole] = [position, position + 1, position + 1 + around].map((to) => tokenizer.decode(ids.slice(from, to)))
  return { before: before!, token: upTo!.slice(before!.length), after: whole!.slice(upTo!.length) }
}
