import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scoredAt } from '../../test/scored.ts'
import { evaluate, gradient, graph, input, reshape, sum, table, tensor } from '../graph/index.ts'
import { centred, standardised } from './groups.ts'
import { type Example, grpo, objectives, type RolloutObjective, rloo } from './index.ts'
import type { KnownRollout } from './rollouts.ts'

type Group = Pick<KnownRollout, 'rewards' | 'logps' | 'reference'> & { readonly sampled?: KnownRollout['sampled'] }

const makers = Object.values(objectives).filter((make) => 'advantages' in make.definition)
const defaults = makers.map((make) => make() as RolloutObjective)

/** Losses and log of a group, and the slopes of their sum by every token's log-probability; f64. */
function groupAt(objective: RolloutObjective, { rewards, logps, sampled, reference = logps }: Group) {
  const [n, width] = [rewards.length, Math.max(...logps.map(({ length }) => length)) + 1]
  const summed = (of: Group['logps']) => of.map((row) => row.reduce((a, b) => a + b, 0))
  const examples: Example[] = [
    {
      tree: { prompt: [1], completions: logps.map((row) => row.map(() => 2)) },
      ...{ rewards, label: 1, reference: summed(reference), referenceTokens: reference },
      ...(sampled ? { sampled } : {}),
    },
  ]
  const size = { examples: 1, slots: n, tokens: 0, longest: width }
  const constants = objective.kind.given(examples, size, [], { now: examples, carried: [] })
  const inputs = Object.fromEntries(Object.entries(constants).map(([name, x]) => [name, table({ ...x, data: Float64Array.from(x.data) })]))
  // Given in f32 by the kind; here as they are.
  const exact = { ...inputs, sampled: padded(sampled ?? [], n, width), referenceTokens: padded(reference, n, width) }
  const advantages = objective.advantages({
    own: n - objective.byReference(n),
    rewards,
    reference: summed(reference),
    ...(sampled ? { sampled: summed(sampled) } : {}),
  })
  const tokens = input('tokens', [n, width])
  const points = logps.map((row) => ({ logp: 0, reference: 0, length: row.length }))
  const scored = {
    ...scoredAt(1, points, { ...exact, advantages: table(tensor(Float64Array.from(advantages), [n])) }),
    ...{
      bySlot: () => tokens,
      logps: reshape(
        sum(
          tokens.mul(
            padded(
              logps.map((row) => row.map(() => 1)),
              n,
              width,
            ),
          ),
          [1],
        ),
        [n],
      ),
      longest: width,
    },
  }
  const { losses } = objective.terms(scored)
  const logged = objective.logged!(scored)
  const seen = evaluate(graph({ tokens }, { losses, slopes: gradient(sum(losses), tokens), ...logged }), {
    tokens: { dtype: 'f32', shape: [n, width], data: flat(logps, width) },
  })
  return {
    losses: [...seen.losses!.data],
    slopes: logps.map((row, k) => row.map((_, t) => seen.slopes!.data[k * width + t]!)),
    padding: logps.map((row, k) => seen.slopes!.data[k * width + row.length]!),
    logged: Object.fromEntries(Object.keys(logged).map((name) => [name, seen[name]!.data[0]!])),
  }
}

const flat = (rows: readonly (readonly number[])[], width: number) =>
  Float64Array.from(rows.flatMap((row) => [...row, ...Array.from({ length: width - row.length }, () => 0)]))
const padded = (rows: readonly (readonly number[])[], n: number, width: number) =>
  table(
    tensor(
      flat(
        Array.from({ length: n }, (_, k) => rows[k] ?? []),
        width,
      ),
      [n, width],
    ),
  )

const logp = () => fc.double({ min: -4, max: -0.05, noNaN: true })
const anyGroup = () =>
  fc
    .array(
      fc.tuple(
        fc.integer({ min: -12, max: 12 }).map((x) => x / 4),
        fc.array(fc.tuple(logp(), logp(), logp()), { minLength: 1, maxLength: 4 }),
      ),
      {
        minLength: 2,
        maxLength: 5,
      },
    )
    .map(
      (all): Required<Group> => ({
        rewards: all.map(([reward]) => reward),
        logps: all.map(([, tokens]) => tokens.map(([now]) => now)),
        sampled: all.map(([, tokens]) => tokens.map(([, before]) => before)),
        reference: all.map(([, tokens]) => tokens.map(([, , reference]) => reference)),
      }),
    )

describe('known values', () => {
  const known = makers.flatMap((make) => {
    const { name, known } = make.definition as { name: string; known: readonly KnownRollout[] }
    return known.map((one) => ({ name, objective: (make as (params: object) => RolloutObjective)({ ...one.params }), ...one }))
  })
  it.each(known)('$id: losses and slopes of $name', ({ objective, losses, slopes = [], ...group }) => {
    const seen = groupAt(objective, group)
    for (const [k, want] of losses.entries()) expect(seen.losses[k]).toBeCloseTo(want, 6)
    for (const [k, want] of slopes.entries()) expect(seen.slopes[k]![0]).toBeCloseTo(want, 6)
  })

  it('V-PG-1: advantages over the standard deviation of a sample, and above the mean', () => {
    const rewards = [1, 0, 0, 1, 1, 0, 0, 0]
    for (const [k, reward] of rewards.entries()) {
      expect(standardised({ rewards })[k]).toBeCloseTo(reward ? 1.207381 : -0.724429, 6)
      expect(centred({ rewards })[k]).toBeCloseTo(reward ? 0.625 : -0.375, 12)
    }
  })

  it('V-KLEST-1: the pull of grpo is β·k3 of each token', () => {
    const group = { rewards: [1, 1], logps: [[-1], [-1]], reference: [[-1.5], [-0.5]], sampled: [[-1], [-1]] }
    const { losses } = groupAt(grpo({ beta: 2 }), group)
    for (const [k, k3] of [0.1065306597, 0.1487212707].entries()) expect(losses[k]).toBeCloseTo(2 * k3, 9)
  })

  it('rloo takes β times the log-ratio to the reference off the reward, as it was sampled', () => {
    const group = { rewards: [1, 0], logps: [[-1], [-2]], sampled: [[-1], [-2]], reference: [[-3], [-2.5]] }
    // Rewards 1 − 0.1·2 and 0 − 0.1·0.5.
    for (const [k, want] of [-0.85, 0.85].entries()) expect(groupAt(rloo({ beta: 0.1 }), group).losses[k]).toBeCloseTo(want, 12)
  })
})

describe.each(defaults.map((objective) => [objective.name, objective] as const))('%s', (_, objective) => {
  it('has the slopes that differences have, away from where it is clipped, and none at padding', () => {
    fc.assert(
      fc.property(anyGroup(), (group) => {
        const { slopes, padding } = groupAt(objective, group)
        expect(padding.every((slope) => slope === 0)).toBe(true)
        const held = objective.name === 'cispo'
        for (const [k, row] of group.logps.entries()) {
          const moved = (h: number) => {
            const logps = group.logps.with(k, row.with(0, row[0]! + h))
            // The weight of cispo is a constant: it is that of where the slope is taken.
            const sampled = held ? group.sampled.with(k, group.sampled[k]!.with(0, group.sampled[k]![0]! + h)) : group.sampled
            return groupAt(objective, { ...group, logps, sampled }).losses.reduce((a, b) => a + b, 0)
          }
          const [h, here] = [1e-6, moved(0)]
          const [up, down] = [(moved(h) - here) / h, (here - moved(-h)) / h]
          if (Math.abs(up - down) > 1e-3 * Math.max(1, Math.abs(up))) continue
          expect(Math.abs(slopes[k]![0]! - (up + down) / 2)).toBeLessThan(1e-4 * Math.max(1, Math.abs(up)))
        }
      }),
      { numRuns: 25 },
    )
  })

  // A critic has no group to compare with: it is what is taken off.
  it.skipIf(objective.needs.includes('values'))('adding to all rewards of a group changes nothing', () => {
    fc.assert(
      fc.property(
        anyGroup(),
        fc.integer({ min: -20, max: 20 }).map((x) => x / 4),
        (group, more) => {
          const raised = groupAt(objective, { ...group, rewards: group.rewards.map((reward) => reward + more) }).losses
          for (const [k, loss] of groupAt(objective, group).losses.entries())
            expect(Math.abs(raised[k]! - loss)).toBeLessThan(1e-6 * Math.max(1, Math.abs(loss)))
        },
      ),
      { numRuns: 25 },
    )
  })

  // Nash-MD weighs its opponents by the sampler's word, and PPO takes the log-ratio off the reward by it.
  it.skipIf(objective.name === 'nashMd' || objective.name === 'ppo')(
    'where the sampler’s word was not kept, the policy as it is has sampled',
    () => {
      fc.assert(
        fc.property(anyGroup(), ({ sampled: _, ...group }) => {
          const [without, now] = [groupAt(objective, group), groupAt(objective, { ...group, sampled: group.logps })]
          expect(without.logged.samplerGap).toBe(0)
          for (const k of group.rewards.keys())
            for (const [t, slope] of without.slopes[k]!.entries()) expect(slope).toBeCloseTo(now.slopes[k]![t]!, 6)
        }),
        { numRuns: 25 },
      )
    },
  )
})

it('logs what is clipped, and how far sampler and trainer are apart', () => {
  const group = { rewards: [1, 0], logps: [[-1, -1], [-2]], sampled: [[-2, -1], [-2]] }
  const { logged } = groupAt(grpo(), group)
  // The first token of two is clipped, and 1 nat off.
  expect(logged).toMatchObject({ clipShare: 0.25, samplerGap: 0.25 })
})

it('refuses groups that say nothing', () => {
  const group = (rewards: readonly number[], more: Partial<Example> = {}): Example => ({
    ...{ tree: { prompt: [1], completions: rewards.map(() => [2, 3]) }, reference: [], label: 1, rewards },
    ...more,
  })
  const check =
    (...examples: Example[]) =>
    () =>
      grpo().kind.check!(examples, grpo())
  expect(check(group([1]))).toThrow('train: grpo needs groups of at least 2 completions with a finite reward each, got 1 completions')
  expect(check(group([1, Number.NaN]))).toThrow('rewards 1, NaN')
  expect(check(group([1, 0], { sampled: [[-1], [-1, -1]] }))).toThrow('got 1, 2 for completions of 2, 2 tokens')
  expect(check(group([1, 1]), group([0, 0]))).not.toThrow()
})
