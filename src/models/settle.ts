import type { Resident } from '../engine/index.ts'
import { graph, mapNested, type Nested, sizeOf } from '../graph/index.ts'
import { adaptedWeight, byPath } from './decoder.ts'
import type { DecoderParams } from './params.ts'
import { type Policy, policyInputs, policyOf } from './policy.ts'

/** A policy as it was at one time, for many small steps. */
export interface Settled extends Policy {
  close(): Promise<void>
}

/**
 * The policy as it is now: adapters are merged into the weights, and its programs hold all weights as constants, in the form that `rows` rows
 * are multiplied with. It costs the memory of the weights once more, and does not see what is written to them later. Of a fixed policy it is
 * made once.
 *
 * limits  a policy of more than `most` bytes, 1 GiB unless told, stays as it is
 */
export async function settle(policy: Policy, rows: number, most = 2 ** 30): Promise<Settled> {
  const bytes = Object.values(policy.given).reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0)
  if (bytes > most) return { ...policy, close: async () => {} }
  const hold = rows > 1 ? 'packed' : 'plain'
  if (!policy.fixed) return settled(policy, hold)
  const known = kept.get(policy) ?? new Map<string, Promise<Settled>>()
  kept.set(policy, known)
  const one = known.get(hold) ?? settled(policy, hold).then((made) => ({ ...made, close: async () => {} }))
  known.set(hold, one)
  return one
}
const kept = new WeakMap<Policy, Map<string, Promise<Settled>>>()

async function settled(policy: Policy, hold: 'packed' | 'plain'): Promise<Settled> {
  const { engine, config } = policy
  const merged = await mergedWeights(policy)
  const params = mapNested(
    policy.params as unknown as Nested<Resident>,
    (x): x is Resident => 'slot' in x,
    (leaf, path) => merged[path] ?? leaf,
  ) as unknown as DecoderParams<Resident>
  const made = policyOf(engine, config, params, undefined, { hold })
  return {
    ...made,
    async close() {
      await made.rest()
      for (const resident of Object.values(merged)) await engine.release(resident)
    },
  }
}

/** The weights that adapters change, with the adapters in them, by path. */
async function mergedWeights(policy: Policy): Promise<Record<string, Resident>> {
  const { engine, adapters, given } = policy
  if (!adapters) return {}
  const program = await policy.program('merge', () => {
    const { params, adapters, inputs } = policyInputs(policy)
    const weights = byPath(params)
    const { scale, layers } = adapters!
    return graph(
      inputs,
      Object.fromEntries(Object.entries(layers).map(([path, layer]) => [path, adaptedWeight(weights[path]!, layer, scale)])),
    )
  })
  const places = await Promise.all(
    Object.entries(program.graph.outputs).map(async ([path, type]): Promise<[string, Resident]> => [path, await engine.allocate(type)]),
  )
  const merged = Object.fromEntries(places)
  await program.run(given, merged)
  return merged
}
