import { meanInterval } from '../accept/index.ts'
import { tensor, UserError, type Value } from '../graph/index.ts'
import { type Edit, edited, type Model, type Policy, reordered } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { finalStates, type Predictions, predictions } from './predictions.ts'

/**
 * What is done to the order of blocks: two neighbours change places, one is left out, a span is run backwards, one is run twice; or, as the
 * control, a block's output loses the residual stream that it is added to.
 */
export const sweepKinds = ['swap', 'delete', 'reverse', 'repeat', 'no residual'] as const
export type SweepKind = (typeof sweepKinds)[number]

/** What a model with its blocks in another order still predicts. */
export interface LayerChange {
  readonly kind: SweepKind
  readonly layers: readonly number[]
  /** Share of next tokens at which the likeliest one is still the same. */
  readonly top1: Estimate
  /** −log p of the texts' next tokens, nats. */
  readonly loss: Estimate
  /** KL(model ‖ changed model), nats per token. */
  readonly kl: Estimate
}

export interface LayerSweep {
  /** The loss of the model as it is. */
  readonly loss: Estimate
  readonly changes: readonly LayerChange[]
}

export interface LayerSweepOptions {
  readonly kinds?: readonly SweepKind[]
  /** Called with every change as it is measured, and with the loss of the model as it is. */
  readonly onChange?: (change: LayerChange, at: { readonly done: number; readonly of: number; readonly loss: Estimate }) => void
  readonly signal?: AbortSignal
}

/**
 * What swapping, deleting, reversing and repeating blocks does to the next-token predictions on texts. Reversed are all blocks, and all but the
 * first and the last; the rest is done at every place.
 *
 * throws  UserError for fewer than two texts, one of fewer than two tokens, and a model of one block
 * source  Lad, Gurnee & Tegmark 2024, arXiv:2406.19384; Sun et al. 2024, arXiv:2407.09298
 */
export async function layerSweep(
  model: Pick<Model, 'policy' | 'config'>,
  texts: readonly (readonly number[])[],
  { kinds = sweepKinds, onChange, signal }: LayerSweepOptions = {},
): Promise<LayerSweep> {
  const { policy, config } = model
  if (texts.length < 2 || texts.some(({ length }) => length < 2))
    throw new UserError('swap: texts must be two or more, of two tokens or more each; give more or longer ones')
  if (config.layers < 2) throw new UserError(`swap: a model must have two blocks or more, got ${config.layers}; take another one`)
  const plain = await finalStates(policy, texts, signal)
  const before = await predictions(policy, plain, plain, texts, signal)
  const places = placesOf(config.layers).filter(({ kind }) => kinds.includes(kind))
  const without = withoutResidual(policy)
  const [loss, changes]: [Estimate, LayerChange[]] = [meanInterval('loss', before.loss, 'nats'), []]
  for (const [i, { kind, layers, order }] of places.entries()) {
    const other = kind === 'no residual' ? without(layers[0]!) : reordered(policy, order)
    const states = await finalStates(other, texts, signal)
    const change = { kind, layers, ...estimates(await predictions(policy, states, plain, texts, signal)) }
    changes.push(change)
    // What other forms compiled is not used again; the model's own programs stay.
    if (other.program !== policy.program) await other.rest()
    onChange?.(change, { done: i + 1, of: places.length, loss })
  }
  return { loss, changes }
}

function estimates({ top1, loss, kl }: Predictions) {
  return {
    top1: meanInterval('top1', top1, 'share', [0, 1]),
    loss: meanInterval('loss', loss, 'nats'),
    kl: meanInterval('kl', kl, 'nats'),
  }
}

/** Every change, with the order of blocks that it makes. */
function placesOf(layers: number): { kind: SweepKind; layers: readonly number[]; order: readonly number[] }[] {
  const all = Array.from({ length: layers }, (_, i) => i)
  const [inner, pairs] = [all.slice(1, -1), all.slice(1).map((l) => [l - 1, l] as const)]
  const reversed = (span: readonly number[]) => all.map((l) => (span.includes(l) ? span[0]! + span.at(-1)! - l : l))
  return [
    ...pairs.map(([a, b]) => ({ kind: 'swap' as const, layers: [a, b], order: reversed([a, b]) })),
    ...all.map((l) => ({ kind: 'delete' as const, layers: [l], order: all.toSpliced(l, 1) })),
    ...[all, ...(inner.length > 1 ? [inner] : [])].map((span) => ({ kind: 'reverse' as const, layers: span, order: reversed(span) })),
    ...all.map((l) => ({ kind: 'repeat' as const, layers: [l], order: all.toSpliced(l, 0, l) })),
    ...all.map((l) => ({ kind: 'no residual' as const, layers: [l], order: all })),
  ]
}

/** The model in which, after one block, the stream is only what that block adds; one program for all blocks. */
function withoutResidual(policy: Policy): (layer: number) => Policy {
  const { layers } = policy.config
  let dropped = 0
  let before: Value
  const drop: Edit = (tap, x, at) => {
    const went = tap === 'embed' ? x : x.sub(before.mul(at.input(tap, [])))
    before = went
    return went
  }
  const outs = Array.from({ length: layers }, (_, l) => `blocks.${l}.out`)
  const feeds = () => Object.fromEntries(outs.map((tap, l) => [tap, tensor([l === dropped ? 1 : 0], [])]))
  const other = edited(policy, drop, { at: ['embed', ...outs], feeds })
  return (layer) => {
    dropped = layer
    return other
  }
}
