import { type ActivationAct, type EditFile, editTarget, makeEdit, residualStream } from '../checkpoints/index.ts'
import { type Tensor, tensor } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import type { SteerPositions } from './steer-effect.ts'

type Edited = Pick<Model, 'config' | 'hash'>
type Told = Pick<EditFile, 'made' | 'measured' | 'about'>

/** An edit that adds a direction after a block. */
export function addition(
  name: string,
  { config, hash }: Edited,
  {
    layer,
    direction,
    strength,
    positions = 'all',
  }: { readonly layer: number; readonly direction: ArrayLike<number>; readonly strength: number; readonly positions?: SteerPositions },
  told: Told = {},
): EditFile {
  const acts = [{ kind: 'add' as const, at: [`blocks.${layer}.out`], direction: 'direction', strength, positions }]
  return makeEdit({ name, for: editTarget(config, hash), acts, tensors: { direction: vector(direction) }, ...told })
}

/**
 * An edit that takes a direction out of the residual stream everywhere; it has an identity in weights where no norm stands behind a writer.
 *
 * source  Arditi et al. 2024, arXiv:2406.11717
 */
export function ablation(name: string, { config, hash }: Edited, direction: ArrayLike<number>, told: Told = {}): EditFile {
  const acts = [{ kind: 'ablate' as const, at: residualStream(config), direction: 'direction' }]
  return makeEdit({ name, for: editTarget(config, hash), acts, tensors: { direction: vector(direction) }, ...told })
}

/** An edit that holds what lies along a direction at a value. */
export function clamping(
  name: string,
  { config, hash }: Edited,
  {
    at,
    direction,
    value,
    positions = 'all',
  }: {
    readonly at: readonly string[]
    readonly direction: ArrayLike<number>
    readonly value: number
    readonly positions?: ActivationAct['positions']
  },
): EditFile {
  const acts = [{ kind: 'clamp' as const, at: [...at], direction: 'direction', value, positions }]
  return makeEdit({ name, for: editTarget(config, hash), acts, tensors: { direction: vector(direction) } })
}

/**
 * ActAdd: what a block writes differently at each position of two prompts is added at the first positions of any text. The shorter prompt is lengthened
 * by its last token.
 *
 * source  Turner et al. 2023, arXiv:2308.10248
 */
export async function actAdd(
  name: string,
  model: Model,
  {
    layer,
    positive,
    negative,
    strength = 1,
  }: { readonly layer: number; readonly positive: string; readonly negative: string; readonly strength?: number },
): Promise<EditFile> {
  const tap = `blocks.${layer}.out`
  const [a, b] = (await model.read([positive, negative], { x: tap })).map(({ x }) => x) as [Tensor, Tensor]
  const [n, d] = [Math.max(a.shape[0]!, b.shape[0]!), model.config.hiddenSize]
  const at = (x: Tensor, t: number, i: number) => x.data[Math.min(t, x.shape[0]! - 1) * d + i]!
  const rows = Float32Array.from({ length: n * d }, (_, k) => at(a, Math.floor(k / d), k % d) - at(b, Math.floor(k / d), k % d))
  // The begin token is the same in both.
  const acts = [{ kind: 'add' as const, at: [tap], direction: 'rows', strength }]
  return makeEdit({
    name,
    for: editTarget(model.config, model.hash),
    acts,
    tensors: { rows: tensor(rows, [n, d]) },
    made: { by: 'actAdd', positive, negative },
  })
}

function vector(direction: ArrayLike<number>): Tensor {
  return tensor(Float32Array.from(direction), [direction.length])
}
