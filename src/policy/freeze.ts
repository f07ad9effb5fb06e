import { isMapped, isResident, type Resident } from '../engine/index.ts'
import { graph, mapNested, sizeOf } from '../graph/index.ts'
import { adaptedWeight } from '../models/adapters.ts'
import { byPath, type DecoderParams } from '../models/params.ts'
import type { SampledWeights } from '../models/sampling.ts'
import { underEditsOf } from './edit.ts'
import { type Hold, type Policy, policyInputs, policyOf } from './policy.ts'

/** A policy as it was at one time, for many small steps. */
export interface Frozen extends Policy {
  close(): Promise<void>
}

/**
 * The policy as it is now: adapters are merged into the weights, and its programs hold all weights as constants, in the form that `rows` rows
 * are multiplied with. It costs the memory of those weights once more that are not mapped, and does not see what is written to them later. Of a fixed policy it is
 * kept from one call to the next, in one form at a time; that of several rows also serves one.
 *
 * Edits act in it as in the policy, and what is kept of a fixed one serves all that differ in edits alone.
 *
 * With `weights` its products round what they multiply by to blocks; it is then another model, near to the policy, and its parameters need not be in the engine.
 *
 * limits  a policy of more than `most` bytes whose weights are not rounded, 256 MiB unless told, stays as it is
 */
export async function freeze(policy: Policy, rows: number, { most = 2 ** 28, weights = 'f32' }: Freezing = {}): Promise<Frozen> {
  if (policy.unedited) {
    const { close, ...frozen } = await freeze(policy.unedited, rows, { most, weights })
    return { ...underEditsOf(policy, frozen), close }
  }
  const copied = Object.entries(policy.given).filter(([name, resident]) => !isMapped(resident) || policy.adapters?.layers[name.slice(7)])
  const bytes = copied.reduce((sum, [, { shape }]) => sum + 4 * sizeOf(shape), 0)
  if (bytes > most && weights === 'f32') return { ...policy, close: async () => {} }
  const hold = weights !== 'f32' ? weights : rows > 1 ? 'packed' : 'plain'
  if (!policy.fixed) return frozen(policy, hold)
  const before = kept.get(policy)
  const one = before && (before.hold === hold || (weights === 'f32' && before.hold === 'packed')) ? before : keep(policy, hold)
  if (before && before !== one) await before.leave()
  return one.enter()
}

/** How weights are held, and how many bytes of them at most. */
interface Freezing {
  readonly most?: number
  readonly weights?: SampledWeights
}

/** What is kept of a fixed policy, until it is left and nobody is in it. */
interface Kept {
  readonly hold: Hold
  enter(): Promise<Frozen>
  leave(): Promise<void>
}
const kept = new WeakMap<Policy, Kept>()

function keep(policy: Policy, hold: Hold): Kept {
  const made = frozen(policy, hold)
  let users = 1
  const leave = async () => {
    if (--users === 0) await (await made).close()
  }
  const one: Kept = {
    hold,
    async enter() {
      users++
      return { ...(await made), close: leave }
    },
    leave,
  }
  kept.set(policy, one)
  return one
}

async function frozen(policy: Policy, hold: Hold): Promise<Frozen> {
  const { engine, config } = policy
  const merged = await mergedWeights(policy)
  const params = mapNested(policy.params, isResident, (leaf, path) => merged[path] ?? leaf) as DecoderParams<Resident>
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
