import type { Resident, Update } from '../engine/index.ts'
import { graph, input, type Tensor, UserError } from '../graph/index.ts'
import { decoderParams } from '../models/index.ts'
import { type Example, prefixesOf, type Sync } from '../objectives/index.ts'
import { type Policy, policyOf, scoreTrees } from '../policy/index.ts'

/** A reference that follows the policy. */
export interface Following {
  /** Once the policy's parameters are copied; nothing may be written to them before. */
  readonly ready: Promise<void>
  /** Examples with the log-probabilities of the reference as it now is; as they are before it first moved. */
  scored(now: readonly Example[]): Promise<readonly Example[]>
  /** Moves it after a step, where its time has come. */
  after(step: number): Promise<void>
  /** Its parameters by the names of a checkpoint, once it has moved. */
  saved(): Promise<[string, Tensor][]>
  restore(tensors: ReadonlyMap<string, Tensor>): Promise<void>
  close(): Promise<void>
}

/**
 * A copy of a policy's parameters that becomes, every so many steps, alpha of the policy and the rest of itself.
 *
 * throws  UserError for a policy with adapters, whose product is not their mean
 * source  Gorbatovski et al. 2024, arXiv:2404.09656, the soft update
 */
export function openFollowing(policy: Policy, { every, alpha }: Sync): Following {
  if (policy.adapters || policy.edits)
    throw new UserError(
      `objective.sync: must go with a full training, got ${policy.adapters ? 'adapters, of which a part of a product is not a product of parts' : 'a policy under edits'}; leave sync out, or train.${policy.adapters ? 'lora' : 'edit'}`,
    )
  const { engine, config } = policy
  const given: Record<string, Resident> = {}
  let kernel: Update | undefined
  let copy: Policy | undefined
  let hasMoved = false
  const open = async () => {
    for (const [name, { dtype, shape }] of Object.entries(policy.given)) given[name] = await engine.allocate({ dtype, shape })
    const [reference, followed, share] = [input('reference', [4]), input('followed', [4]), input('share', [])]
    const moved = reference.add(followed.sub(reference).mul(share))
    kernel = await engine.compileUpdate(graph({ reference, followed, share }, { reference: moved }))
    copy = policyOf(
      engine,
      config,
      decoderParams(config, (path) => given[`params.${path}`]!),
    )
    await move(1)
  }
  const move = (by: number) =>
    kernel!.apply(
      Object.entries(given).map(([name, mine]) => ({ reference: mine, followed: policy.given[name]! })),
      { share: by },
    )
  const ready = open()
  // Heard where it is awaited.
  ready.catch(() => {})
  return {
    ready,
    async scored(now) {
      await ready
      if (!hasMoved) return now
      const logps = await scoreTrees(
        copy!,
        now.flatMap(({ tree, prefixes }) => [tree, ...(prefixes ? [prefixesOf(tree)] : [])]),
      )
      let at = 0
      const next = (count: number) => logps.slice(at, (at += count))
      return now.map((example) => {
        const count = example.tree.completions.length
        return { ...example, reference: next(count), ...(example.prefixes ? { prefixes: next(count) } : {}) }
      })
    },
    async after(step) {
      if (step % every > 0) return
      await move(alpha)
      hasMoved = true
    },
    async saved() {
      if (!hasMoved) return []
      return Promise.all(
        Object.entries(given).map(async ([name, mine]) => [`reference.${name}`, await engine.read(mine)] as [string, Tensor]),
      )
    },
    async restore(tensors) {
      for (const [name, mine] of Object.entries(given)) {
        const found = tensors.get(`reference.${name}`)
        if (!found) return
        await engine.write(mine, found)
        hasMoved = true
      }
    },
    async close() {
      await copy?.rest()
      for (const mine of Object.values(given)) await engine.release(mine)
    },
  }
}
