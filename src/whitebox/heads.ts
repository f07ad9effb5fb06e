import { boundedMean } from '../accept/index.ts'
import { sum, type Tensor, tensor, transpose, UserError, zeros } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type Model, over, type See } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'

/** What a head may do: look at the token before; at the same token earlier; or at the token that followed the same one earlier. */
export const headRoleNames = ['previous-token', 'duplicate-token', 'induction'] as const
export type HeadRoleName = (typeof headRoleNames)[number]

/** How much attention a head gives to where a role looks, and to the same places where there is no reason for it. */
export interface RoleReading {
  /** Share of attention, from 0 to 1. */
  readonly seen: number
  readonly null: number
  /** seen − null, with an interval that holds for all heads and roles together at 95 %. */
  readonly excess: Estimate
}

export interface HeadReading {
  readonly layer: number
  readonly head: number
  /** The role with the largest excess whose interval lies above 0; left out where there is none. */
  readonly role?: HeadRoleName
  readonly roles: Readonly<Record<HeadRoleName, RoleReading>>
}

export interface HeadRolesOptions {
  /** Random sequences that are read. Default 48. */
  readonly sequences?: number
  /** Tokens that are drawn for each, and then repeated. Default 16, or what the context and the vocabulary allow. */
  readonly length?: number
  readonly seed?: number
  readonly onBatch?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/**
 * Roles of heads, from attention on random tokens that are read twice: the mean share of attention that a head gives to the token before, to
 * the same token of the first half, and to the one that followed it there. The null of the first is a key drawn evenly from those that are
 * visible; of the other two, the same places where the second half is other random tokens, so that a fixed distance earns nothing.
 *
 * throws  UserError where context or vocabulary leave no room for two tokens read twice
 * source  Olsson et al. 2022, arXiv:2209.11895
 */
export async function headRoles(model: Model, options: HeadRolesOptions = {}): Promise<HeadReading[]> {
  const { sequences = 48, seed = 0, onBatch, signal } = options
  const { config } = model
  const { begin, length: n, drawn } = randomTokens(model, options)
  const sets = { repeated: [] as number[][], fresh: [] as number[][] }
  for (let i = 0; i < sequences; i++) {
    const ids = drawn(random(seed, `heads ${i}`))
    sets.repeated.push([...begin, ...ids.slice(0, n), ...ids.slice(0, n)])
    sets.fresh.push([...begin, ...ids])
  }
  const T = begin.length + 2 * n
  const R = Math.max(1, Math.floor(1024 / T))
  const masks = roleMasks(begin.length, n)
  const feeds = () => masks
  const read = (texts: readonly number[][], half: 0 | 1) =>
    over(
      model.policy,
      texts.map((prompt) => ({ prompt, completions: [] })),
      attentionTo(config),
      {
        per: 'tree',
        packing: { lengths: [T], tokenBudget: R * T, wantedMultiple: 1 },
        feeds,
        onBatch: (done, of) => onBatch?.(half * of + done, 2 * of),
        ...(signal ? { signal } : {}),
      },
    )
  const [repeated, fresh] = [await read(sets.repeated, 0), await read(sets.fresh, 1)]
  const tail = 0.025 / (config.layers * config.heads * headRoleNames.length)
  const even = evenShare(begin.length, T)
  return Array.from({ length: config.layers * config.heads }, (_, i): HeadReading => {
    const [layer, head] = [Math.floor(i / config.heads), i % config.heads]
    const of = (from: Readonly<Record<string, Tensor>>, role: HeadRoleName) =>
      Array.from({ length: sequences }, (_, s) => from[`${role} ${layer}`]!.data[s * config.heads + head]!)
    const roles = Object.fromEntries(
      headRoleNames.map((role) => {
        const other = of(fresh, role)
        const [seen, nulls] = role === 'previous-token' ? [other, other.map(() => even)] : [of(repeated, role), other]
        return [role, reading(seen, nulls, tail)]
      }),
    ) as Record<HeadRoleName, RoleReading>
    const [best] = headRoleNames
      .filter((role) => roles[role].excess.low > 0)
      .toSorted((a, b) => roles[b].excess.estimate - roles[a].excess.estimate)
    return { layer, head, ...(best ? { role: best } : {}), roles }
  })
}

function reading(seen: readonly number[], nulls: readonly number[], tail: number): RoleReading {
  const mean = (x: readonly number[]) => x.reduce((total, one) => total + one, 0) / x.length
  const [low, high] = boundedMean(
    seen.map((x, i) => Math.min(1, Math.max(-1, x - nulls[i]!))),
    [-1, 1],
    tail,
  )
  const estimate = mean(seen) - mean(nulls)
  return {
    seen: mean(seen),
    null: mean(nulls),
    excess: { estimate, low: Math.min(low, estimate), high: Math.max(high, estimate), n: seen.length, unit: 'share of attention' },
  }
}

/** How random tokens are drawn for a model: no two alike, none that is special. */
function randomTokens({ ids, eosIds, config }: Model, { length: wanted = 16 }: HeadRolesOptions) {
  const begin = ids('')
  const special = new Set([...begin, ...eosIds])
  const usual = Array.from({ length: config.vocabSize }, (_, id) => id).filter((id) => !special.has(id))
  const length = Math.min(wanted, Math.floor(usual.length / 2), Math.floor((config.contextLength - begin.length) / 2))
  if (!(length >= 2))
    throw new UserError(
      `heads: the context must have room for two random tokens read twice, got a length of ${length}; choose another length`,
    )
  const drawn = (draw: ReturnType<typeof random>) => {
    const found = new Set<number>()
    for (let place = 0; found.size < 2 * length; place++) found.add(usual[draw.integers(1, usual.length, place)[0]!]!)
    return [...found]
  }
  return { begin, length, drawn }
}

/** Where a role looks from each token counted: 1 over their number. shape f32[T, T] for each role */
function roleMasks(begin: number, n: number): Record<HeadRoleName, Tensor> {
  const T = begin + 2 * n
  const first = begin + 1
  const mask = (from: number, back: number) => {
    const places = zeros([T, T])
    for (let t = from; t < T; t++) places.data[t * T + t - back] = 1 / (T - from)
    return places
  }
  return { 'previous-token': mask(first, 1), 'duplicate-token': mask(begin + n, n), induction: mask(begin + n, n - 1) }
}

/** The share of attention on the token before where all that are visible get as much, over the tokens that count. */
export function evenShare(begin: number, T: number): number {
  let total = 0
  for (let t = begin + 1; t < T; t++) total += 1 / (t + 1)
  return total / (T - begin - 1)
}

/** For each role and block, what heads attend to where it looks. shape f32[trees, heads, 1] */
function attentionTo(config: DecoderConfig): See {
  const attentionToRoles: See = ({ tap, input, perTree, tokens }) => {
    const T = tokens.shape[1]!
    const read = Array.from({ length: config.layers }, (_, layer) =>
      headRoleNames.map((role) => {
        const looked = sum(tap(`blocks.${layer}.attn.pattern`).mul(input(role, [T, T])), [-1])
        return [`${role} ${layer}`, perTree(transpose(looked, [0, 2, 1, 3]))] as const
      }),
    )
    return Object.fromEntries(read.flat())
  }
  const known = sees.get(config) ?? attentionToRoles
  sees.set(config, known)
  return known
}
const sees = new WeakMap<DecoderConfig, See>()

/** An attention pattern as a tensor [T, T] in which every token looks `back` tokens back, or at the first one. */
export function fixedPattern(T: number, back: number): Tensor {
  const pattern = new Float32Array(T * T)
  for (let t = 0; t < T; t++) pattern[t * T + Math.max(0, t - back)] = 1
  return tensor(pattern, [T, T])
}
