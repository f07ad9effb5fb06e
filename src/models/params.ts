import { isValue, leaves, mapNested, type Shape, type Value } from '../graph/index.ts'
import type { DecoderConfig, LinearLayer } from './config.ts'

/** The parameters of a decoder: linear layers are [out, in], queries and keys are laid out for rotating halves. */
export type DecoderParams<T> = {
  readonly embed: T
  /** A row for each position, where positions are learned. */
  readonly positions?: T
  readonly blocks: readonly DecoderBlock<T>[]
  readonly norm: T
  readonly normBias?: T
  /** Absent when the head is the embedding. */
  readonly head?: T
  /** The head of a reward model, in the place of any other: one row. */
  readonly score?: T
}

/** Norms and biases are there where the config has them. */
export type DecoderBlock<T> = {
  readonly attnNorm?: T
  readonly attnNormBias?: T
  readonly attn: {
    readonly q: T
    readonly k: T
    readonly v: T
    readonly o: T
    readonly qBias?: T
    readonly kBias?: T
    readonly vBias?: T
    readonly oBias?: T
    readonly qNorm?: T
    readonly kNorm?: T
  }
  readonly attnPostNorm?: T
  readonly mlpNorm?: T
  readonly mlpNormBias?: T
  readonly mlp: { readonly gate?: T; readonly up: T; readonly down: T; readonly gateBias?: T; readonly upBias?: T; readonly downBias?: T }
  readonly mlpPostNorm?: T
}

/**
 * The parameters a config has, each made by one call with its path (`blocks.3.attn.q`) and its shape. Everything that walks the
 * parameters walks them here: reading, writing, shapes, random starts.
 */
export function decoderParams<T>(config: DecoderConfig, make: (path: string, shape: Shape) => T): DecoderParams<T> {
  const { vocabSize: V, hiddenSize: d, intermediateSize: f, headDim, normed = 'before', norm = 'rms' } = config
  const q = config.heads * headDim
  const kv = config.kvHeads * headDim
  const block = (i: number): DecoderBlock<T> => {
    // Keys with a condition are made where it holds, in the order they are written.
    const part = <K extends string>(key: K, shape: Shape, holds = true) =>
      (holds ? { [key.split('.').at(-1)!]: make(`blocks.${i}.${key}`, shape) } : {}) as Record<K extends `${string}.${infer R}` ? R : K, T>
    const normPart = <K extends 'attnNorm' | 'mlpNorm'>(key: K) => ({
      ...part(key, [d], normed !== 'after'),
      ...part(`${key}Bias`, [d], normed !== 'after' && norm === 'layer'),
    })
    const bias = (layer: LinearLayer) => config.biases?.includes(layer) ?? false
    const [qNorm, kNorm] = config.qkNorm === 'whole' ? [q, kv] : [headDim, headDim]
    return {
      ...normPart('attnNorm'),
      attn: {
        ...part('attn.q', [q, d]),
        ...part('attn.qBias', [q], bias('q')),
        ...part('attn.qNorm', [qNorm], config.qkNorm !== undefined),
        ...part('attn.k', [kv, d]),
        ...part('attn.kBias', [kv], bias('k')),
        ...part('attn.kNorm', [kNorm], config.qkNorm !== undefined),
        ...part('attn.v', [kv, d]),
        ...part('attn.vBias', [kv], bias('v')),
        ...part('attn.o', [d, q]),
        ...part('attn.oBias', [d], bias('o')),
      },
      ...part('attnPostNorm', [d], normed !== 'before'),
      ...normPart('mlpNorm'),
      mlp: {
        ...part('mlp.gate', [f, d], config.gated !== false),
        ...part('mlp.gateBias', [f], config.gated !== false && bias('gate')),
        ...part('mlp.up', [f, d]),
        ...part('mlp.upBias', [f], bias('up')),
        ...part('mlp.down', [d, f]),
        ...part('mlp.downBias', [d], bias('down')),
      },
      ...part('mlpPostNorm', [d], normed !== 'before'),
    }
  }
  return {
    embed: make('embed', [V, d]),
    ...(config.ropeTheta === undefined ? { positions: make('positions', [config.contextLength, d]) } : {}),
    blocks: Array.from({ length: config.layers }, (_, i) => block(i)),
    norm: make('norm', [d]),
    ...(norm === 'layer' ? { normBias: make('normBias', [d]) } : {}),
    ...(config.tied || config.reward ? {} : { head: make('head', [V, d]) }),
    ...(config.reward ? { score: make('score', [1, d]) } : {}),
  }
}

/** Values in the form of nested parameters, each an input named by its path. */
export function paramInputs(
  shapes: DecoderParams<{ readonly shape: Shape }>,
  make: (path: string, shape: Shape) => Value,
): DecoderParams<Value> {
  const isLeaf = (x: unknown): x is { readonly shape: Shape } => typeof x === 'object' && x !== null && 'shape' in x
  return mapNested<{ readonly shape: Shape }, Value>(shapes, isLeaf, ({ shape }, path) => make(path, shape)) as DecoderParams<Value>
}

/** The parameters by path. */
export function byPath(params: DecoderParams<Value>): Record<string, Value> {
  return Object.fromEntries(leaves(params, isValue))
}
