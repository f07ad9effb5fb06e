import type { Engine } from '../engine/index.ts'
import { graph, tensor, UserError } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { adamw, traceUpdate } from '../train/index.ts'
import type { Interchange } from './interchange.ts'
import { type Basis, orthonormal, randomBasis, turning } from './subspace.ts'

export interface FitSubspace {
  /** Dimensions. */
  readonly k: number
  /** Updates; each takes one batch of rows. */
  readonly steps?: number
  /** Of the first step; it falls to 0 in a straight line. */
  readonly lr?: number
  readonly seed?: number
  readonly onStep?: (step: number, loss: number) => void
  readonly signal?: AbortSignal | undefined
}

/** Steps where none are named. */
export const usualSteps = 120

/**
 * Distributed alignment search: the subspace of k dimensions in which an interchange makes the answers of rows likeliest. It begins as a random one;
 * AdamW goes along what of the gradient turns the subspace, and the basis is made orthonormal again after every step (QR retraction). The model stays as it is.
 *
 * throws  UserError for a k that is not from 1 to the width
 * source  Geiger et al. 2023, arXiv:2303.02536; the retraction: Absil, Mahony & Sepulchre 2008, Optimization Algorithms on Matrix Manifolds
 */
export async function fitSubspace(
  engine: Engine,
  rows: Interchange,
  { k, steps = usualSteps, lr = 0.02, seed = 0, onStep, signal }: FitSubspace,
): Promise<Basis> {
  const d = rows.width
  if (!(Number.isInteger(k) && k >= 1 && k <= d)) throw new UserError(`das: k must be from 1 to ${d}, got ${k}; choose another`)
  let basis = randomBasis(k, d, seed, 'das/start')
  const optimizer = adamw({ lr })
  const { inputs, outputs } = traceUpdate(optimizer)
  const update = await engine.compileUpdate(graph(inputs, outputs))
  const shape = [k, d]
  const [param, grad, m, v] = await Promise.all([0, 1, 2, 3].map(() => engine.allocate({ dtype: 'f32', shape })))
  const write = (to: NonNullable<typeof param>, vectors: Basis) => {
    const data = new Float32Array(k * d)
    vectors.forEach((r, j) => void data.set(r, j * d)) // biome-ignore format: one line
    return engine.write(to, tensor(data, shape))
  }
  try {
    let order: number[] = []
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted()
      if (order.length === 0) order = random(seed, `das/order/${step}`).shuffled([...Array(rows.batches).keys()])
      const { loss, gradient } = await rows.slope(basis, order.pop()!)
      await write(param!, basis)
      await write(grad!, turning(basis, gradient))
      const rate = lr * (1 - (step - 1) / steps)
      await update.apply([{ param: param!, grad: grad!, m: m!, v: v! }], { lr: rate, clip: 1, ...optimizer.scalars(step) })
      const { data } = await engine.read(param!)
      basis = orthonormal(Array.from({ length: k }, (_, j) => data.slice(j * d, (j + 1) * d)))
      onStep?.(step, loss)
    }
    return basis
  } finally {
    for (const one of [param, grad, m, v]) await engine.release(one!)
  }
}
