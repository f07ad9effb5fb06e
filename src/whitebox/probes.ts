import type { Probes, Reader } from '../goals/index.ts'
import { UserError } from '../graph/errors.ts'
import { tapsNamed } from '../models/taps.ts'
import { type Pool, pooled } from '../policy/index.ts'
import { beginningIds } from '../text/index.ts'
import { typesOf } from './control-task.ts'
import type { LabelledTexts } from './labelled-texts.ts'
import { dealTexts } from './parts.ts'
import { type ProbeOptions, type ProbeReading, probe } from './probe.ts'

export interface ProbesOptions extends ProbeOptions {
  /** Which tokens stand for a text. Default `last`. */
  readonly pool?: Pool
  /** Share of the rarest class that is held out. Default 0.3. */
  readonly heldOut?: number
  readonly onTap?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/** What a probe of one tap reads. */
export interface TapReading extends ProbeReading {
  readonly tap: string
  /** The number of the tap's block, where it lies in one. */
  readonly layer?: number
}

/** Probes of several taps on the same texts, with the parts they share. */
export interface ReadProbes {
  readonly readings: readonly TapReading[]
  readonly train: number
  /** Groups of near duplicates that were held out. */
  readonly heldOut: number
}

/**
 * Probes of taps of a model: fitted to some of the labelled texts, measured on others, each beside its control tasks.
 *
 * throws  UserError as probe, dealTexts, pooled; for a tap that the model does not have
 */
export async function readProbes(
  reader: Reader,
  { texts, labels, names }: LabelledTexts,
  taps: string,
  options: ProbesOptions = {},
): Promise<ReadProbes> {
  const { pool = 'last', heldOut: share, seed = 0, signal } = options
  const named = tapsNamed('tap', taps, reader.policy.config)
  const parts = dealTexts(texts, labels, names, { ...(share === undefined ? {} : { share }), seed })
  if (parts.heldOut.length < 2) throw new UserError(`held out: at least 2 texts must be, got ${parts.heldOut.length}; give more rows`)
  const ids = texts.map((text) => beginningIds(reader.tokenizer, text).ids)
  const vectors = await pooled(reader.policy, ids, named, pool, signal ? { onBatch: () => signal.throwIfAborted(), signal } : {})
  const task = { labels, classes: names.length, parts, types: typesOf(ids, 4 * names.length) }
  const readings: TapReading[] = []
  for (const [i, tap] of named.entries()) {
    signal?.throwIfAborted()
    const block = /^blocks\.(\d+)\./.exec(tap)?.[1]
    readings.push({ tap, ...(block === undefined ? {} : { layer: Number(block) }), ...probe(vectors[tap]!, task, options) })
    options.onTap?.(i + 1, named.length)
    // Fitting computes in this thread; Ctrl-C is heard between two taps.
    await new Promise(setImmediate)
  }
  return { readings, train: parts.train.length, heldOut: parts.heldOut.length }
}

/** Probes as a file holds them. */
export function probesOf(
  { readings }: ReadProbes,
  { names }: LabelledTexts,
  { model, kind = 'logistic', pool = 'last' }: ProbesOptions & { readonly model: Probes['model'] },
): Probes {
  return {
    format: 'innate probes 1',
    kind,
    model,
    pool,
    labels: names,
    probes: readings.map(({ tap, probe: { weight, bias }, accuracy }) => ({
      tap,
      weight: weight.map((row) => [...row]),
      bias,
      accuracy: accuracy.estimate,
    })),
  }
}
