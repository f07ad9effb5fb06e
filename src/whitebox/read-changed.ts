import type { Tensor } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { type Reader, streamTap } from './edges.ts'
import { givenRuns, headsFirst, tokenFirstTaps } from './given-runs.ts'

/** One reader, and residual streams that it reads in the place of the usual one. */
export interface Changed {
  readonly tokens: readonly number[]
  readonly reader: Reader
  /** f32[T, d] */
  readonly streams: readonly Tensor[]
  /** The usual stream, by tap. */
  readonly unchanged: Readonly<Record<string, Tensor>>
  /** Of attention: which of q, k and v read the changed stream, `qkv` or some of it; the others read the usual one. */
  readonly inputs: readonly string[]
}

/**
 * What a reader makes of changed streams, and the tap where that goes into a run: what heads mix (`attn.z`), what an MLP adds, and for the
 * logits the changed stream itself.
 *
 * shape   by inputs, a value for each stream: [heads, T, headDim], or [T, d]
 */
export async function readChanged(
  { config, policy }: Pick<Model, 'config' | 'policy'>,
  { tokens, reader, streams, unchanged, inputs }: Changed,
  signal?: AbortSignal,
): Promise<{ readonly tap: string; readonly values: Readonly<Record<string, readonly Tensor[]>> }> {
  const at = streamTap(reader, config)
  const { kind, layer } = reader
  if (kind === 'logits') return { tap: at, values: { '': streams } }
  const tap = `blocks.${layer}.${kind === 'mlp' ? 'mlp.out' : 'attn.z'}`
  const read = async (given: readonly Readonly<Record<string, Tensor>>[], taps: readonly string[]) =>
    (await givenRuns({ policy }, tokens, given, tokenFirstTaps(taps), signal)).map((seen) => taps.map((name) => headsFirst(seen[name]!)))
  const onStreams = streams.map((stream) => ({ [at]: stream }))
  const values: Record<string, readonly Tensor[]> = {}
  for (const some of inputs) {
    if (some === '' || some === 'qkv') {
      values[some] = (await read(onStreams, [tap])).map(([value]) => value!)
      continue
    }
    const taps = [...some].map((input) => `blocks.${layer}.attn.${input}`)
    const changed = await read(onStreams, taps)
    const given = changed.map((found) => ({ [at]: unchanged[at]!, ...Object.fromEntries(taps.map((name, i) => [name, found[i]!])) }))
    values[some] = (await read(given, [tap])).map(([value]) => value!)
  }
  return { tap, values }
}
