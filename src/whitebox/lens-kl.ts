import { graph, input, linear, type Tensor, type Value } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { logits } from '../models/head.ts'
import { norm } from '../models/norm.ts'
import type { DecoderParams } from '../models/params.ts'
import { type Model, type Policy, policyInputs } from '../policy/index.ts'
import { kl } from './kl.ts'
import type { Lens, LensMap } from './lens.ts'
import { openTapRows, type TapRows } from './tap-rows.ts'

export interface LensKlOptions {
  /** Tokens at the beginning of each text that are left out. Default 16. */
  readonly skip?: number
  readonly signal?: AbortSignal
}

/**
 * How far a lens is from what the model says, after each block, on texts that need not be those it was fitted on.
 *
 * units   KL(model ‖ lens), nats a token, the mean over the tokens counted
 * limits  the residual streams lie in a temporary file
 * source  Belrose et al. 2023, arXiv:2303.08112
 */
export async function lensKl(
  model: Pick<Model, 'policy' | 'config'>,
  texts: readonly { readonly ids: readonly number[] }[],
  { maps }: Lens,
  { skip = 16, signal }: LensKlOptions = {},
): Promise<number[]> {
  const streams = streamsOf(model.config)
  const rows = await openTapRows(model, texts, streams, signal)
  try {
    const counted = countedRows(texts, skip)
    const found: number[] = []
    for (const [layer, stream] of streams.entries()) {
      signal?.throwIfAborted()
      found.push(await meanKl(model.policy, rows, { stream, final: streams.at(-1)! }, counted, maps[layer]))
    }
    return found
  } finally {
    await rows.close()
  }
}

/** The residual stream after each block. */
export function streamsOf({ layers }: { readonly layers: number }): string[] {
  return Array.from({ length: layers }, (_, layer) => `blocks.${layer}.out`)
}

/** The tokens of all texts, in order, but the first ones of each. */
export function countedRows(texts: readonly { readonly ids: readonly number[] }[], skip: number): number[] {
  return texts.flatMap(({ ids }) => ids.map((_, t) => t >= skip)).flatMap((counted, i) => (counted ? [i] : []))
}

/** Tokens that are compared at a time, each over the whole vocabulary. */
const tokensAtOnce = 64

/** The mean KL over rows of a stream, nats. */
export async function meanKl(
  policy: Policy,
  streams: TapRows,
  { stream, final }: { readonly stream: string; readonly final: string },
  counted: readonly number[],
  map: LensMap = {},
): Promise<number> {
  const n = Math.min(tokensAtOnce, counted.length)
  let total = 0
  for (let from = 0; from < counted.length; from += n) {
    // The last ones are filled up with the first of them, which do not count twice.
    const here = counted.slice(from, from + n)
    const at = Array.from({ length: n }, (_, i) => here[i % here.length]!)
    const { data } = await klRows(policy, { streams: streams.rows(stream, at), finals: streams.rows(final, at) }, map)
    for (let i = 0; i < here.length; i++) total += data[i]!
  }
  return total / counted.length
}

/** What a lens is held against the model by: streams after a block, the last streams of the same tokens, and a map. */
export interface KlParts<T> {
  readonly streams: T
  readonly finals: T
  readonly matrix?: T | undefined
  readonly bias?: T | undefined
}

async function klRows(policy: Policy, streams: Pick<KlParts<Tensor>, 'streams' | 'finals'>, map: LensMap): Promise<Tensor> {
  const parts = Object.entries({ ...streams, ...map }).map(([name, x]) => [`lensKl.${name}`, x] as const)
  const program = await policy.program(`lensKl ${parts.map(([name, { shape }]) => `${name} ${shape}`)}`, () => {
    const { params, inputs } = policyInputs(policy)
    const read = Object.fromEntries(parts.map(([name, { shape }]) => [name, input(name, shape)]))
    const bare = Object.fromEntries(Object.entries(read).map(([name, x]) => [name.replace('lensKl.', ''), x]))
    return graph({ ...inputs, ...read }, { each: klOf(params, policy.config, bare as unknown as KlParts<Value>) })
  })
  const { each } = await program.run({ ...policy.given, ...Object.fromEntries(parts) })
  return each!
}

/** shape  streams, finals f32[n, d], matrix f32[d, d], bias f32[d] → f32[n], nats */
export function klOf(params: DecoderParams<Value>, config: DecoderConfig, { streams, finals, matrix, bias }: KlParts<Value>): Value {
  const scores = (x: Value) => logits(params, norm(x, params.norm, params.normBias, config), config)
  const mapped = matrix ? linear(streams, matrix) : streams
  return kl(scores(finals), scores(bias ? mapped.add(bias) : mapped))
}
