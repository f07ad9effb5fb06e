import type { Tensor } from '../graph/index.ts'
import { freshParams } from '../models/fresh.ts'
import type { DecoderParams } from '../models/params.ts'
import { type Model, openPolicy } from '../policy/index.ts'

/** Does something with a model as it would be with fresh weights. */
export function inFresh<M extends Pick<Model, 'policy'>, T>(model: M, seed: number, work: (fresh: M) => Promise<T>): Promise<T> {
  return inWeights(model, freshParams(model.policy.config, seed), work)
}

/** Does something with a model as it would be with other weights, which are freed when it is done. */
export async function inWeights<M extends Pick<Model, 'policy'>, T>(
  model: M,
  params: DecoderParams<Tensor>,
  work: (other: M) => Promise<T>,
): Promise<T> {
  const { engine, config } = model.policy
  const policy = await openPolicy(engine, { config, params })
  try {
    return await work({ ...model, policy })
  } finally {
    await policy.rest()
    for (const resident of Object.values(policy.given)) await engine.release(resident)
  }
}
