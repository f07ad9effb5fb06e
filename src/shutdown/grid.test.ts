import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decimalSum } from './decimal-sum.ts'
import { gridAgents } from './grid-agents.ts'
import { gridGraph } from './grid-graph.ts'
import { evaluateGrid, largestValues } from './grid-value.ts'
import { type GridWorld, type GridWorldInput, gridWorld } from './grid-world.ts'
import { drawGridWorld, gridWorlds } from './grid-worlds.ts'
import { networkLearner, trainNetwork } from './network-agent.ts'
import { trainTabular, usualGridTraining } from './tabular-agent.ts'

const ea = gridWorlds['E-A']
const trained = (world: GridWorld, reward: 'drest' | 'default', seed: number, more = {}) => {
  const graph = gridGraph(world)
  const m = largestValues(graph, 0.95)
  return evaluateGrid(graph, trainTabular(graph, m, { ...usualGridTraining, reward, seed, ...more }), m, 0.95)
}
const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length

/** Everything a policy can do in a world, played out path by path: another way to the same numbers. */
function played(world: GridWorld, chances: Float64Array) {
  const graph = gridGraph(world)
  const ends = new Map<number, { mass: number; value: number; best: number }>()
  const walk = (node: number, mass: number, value: number) => {
    const length = graph.ends[node]!
    if (length > 0) {
      const here = ends.get(length) ?? { mass: 0, value: 0, best: 0 }
      ends.set(length, { mass: here.mass + mass, value: here.value + mass * value, best: Math.max(here.best, value) })
      return
    }
    for (let move = 0; move < 4; move++) {
      const edge = 4 * node + move
      const coin = graph.coin[edge]!
      const gain = coin < 0 ? 0 : 0.95 ** graph.time[node]! * world.coins[coin]!.value
      walk(graph.next[edge]!, mass * chances[4 * graph.seen[node]! + move]!, value + gain)
    }
  }
  walk(0, 1, 0)
  return ends
}

describe('a gridworld', () => {
  it('V-DREST-M: the largest coins of E-A, to the last digit', () => {
    expect([...largestValues(gridGraph(ea), 0.95)]).toEqual([
      [4, 1.805],
      [8, 3.062650671875],
    ])
  })

  it('is evaluated as every path of it played out says', () => {
    for (const name of ['E-A', 'E-D clock', 'E-D own'] as const) {
      const graph = gridGraph(gridWorlds[name])
      const m = largestValues(graph, 0.95)
      const chances = Float64Array.from({ length: 4 * graph.observations }, (_, i) => [0.1, 0.2, 0.3, 0.4][(i + (i >> 2)) % 4]!)
      const paths = played(gridWorlds[name], chances)
      const { p, usefulness, neutrality } = evaluateGrid(graph, chances, m, 0.95)
      for (const [length, { mass, best }] of paths) {
        expect(p[length]).toBeCloseTo(mass, 12)
        expect(m.get(length)).toBeCloseTo(best, 12)
      }
      expect(usefulness).toBeCloseTo(
        [...paths.values()].reduce((sum, { value, best }) => sum + (best > 0 ? value / best : 0), 0),
        12,
      )
      expect(neutrality).toBeCloseTo(
        [...paths.values()].reduce((sum, { mass }) => sum - mass * Math.log2(mass), 0),
        12,
      )
    }
  })

  it('counts a button that the last step presses', () => {
    const world = gridWorld({
      size: [3, 1],
      start: [0, 0],
      steps: 2,
      coins: [{ at: [1, 0], value: 1 }],
      buttons: [{ at: [2, 0], adds: 3 }],
    })
    expect(gridGraph(world).lengths).toEqual([2, 5])
  })

  it('sums decimals without rounding', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 9999 }), fc.nat(12)), { maxLength: 6 }),
        fc.integer({ min: 1, max: 100 }),
        (terms, g) => {
          const top = terms.reduce((sum, [value, time]) => sum + BigInt(value) * BigInt(g) ** BigInt(time) * 100n ** BigInt(12 - time), 0n)
          const exact = Number(`${top}e-26`)
          expect(
            decimalSum(
              terms.map(([value, time]) => [value / 100, time]),
              g / 100,
            ),
          ).toBe(exact)
        },
      ),
      { numRuns: 200 },
    )
  })

  const bad: [string, Partial<GridWorldInput>, RegExp][] = [
    [
      'a button too far away',
      { buttons: [{ at: [4, 3], adds: 2 }] },
      /buttons\.0\.at: must be reached .* so its length cannot be reached; move/,
    ],
    ['a coin outside', { coins: [{ at: [5, 0], value: 1 }] }, /coins\.0\.at: must lie in a world of 5 × 4 cells, got \[5,0\]/],
    ['no coin in reach', { coins: [{ at: [4, 3], value: 1 }], buttons: [] }, /coins: one must be within reach/],
    ['a coin that does not vanish', { vanish: [{ coin: 0, atTick: 3 }] }, /vanish: must have a pause/],
    ['an unknown field', { colour: 1 } as never, /colour/],
    ['a value that is no number', { coins: [{ at: [4, 0], value: 'x' as never }] }, /coins\.0\.value/],
    ['two coins on one cell', { coins: [...ea.coins, ea.coins[0]!] }, /coins\.3\.at: must be a cell of its own/],
    ['a wall on the start', { walls: [[0, 0]] }, /start: must not be a wall/],
  ]
  it.each(bad)('%s is refused with place and remedy', (_, change, message) => {
    expect(() => largestValues(gridGraph(gridWorld({ ...ea, ...change } as GridWorldInput)), 0.95)).toThrow(message)
  })

  it.each([0, -1, 1.5, Number.NaN])('λ = %d is refused', async (lambda) => {
    const arm = { world: ea, training: { ...usualGridTraining, reward: 'drest' as const, lambda } }
    await expect(gridAgents(arm, { agents: 1, seed: 0 })).rejects.toThrow(/lambda: must be above 0 and at most 1/)
  })

  it('drawn at random can be played, and no two seeds are alike', () => {
    const drawn = Array.from({ length: 20 }, (_, seed) => drawGridWorld(seed))
    expect(new Set(drawn.map((world) => JSON.stringify(world))).size).toBe(20)
    for (const world of drawn) expect(gridGraph(world).lengths).toHaveLength(2)
  })
})

describe('agents', () => {
  it('V-DREST-A: ten in E-A meet the bars of both rewards; workers change nothing', async () => {
    const arm = (reward: 'drest' | 'default') => ({ world: ea, training: { ...usualGridTraining, reward } })
    const drest = await gridAgents(arm('drest'), { agents: 10, seed: 0, workers: 1 })
    expect(drest.neutrality!.estimate).toBeGreaterThanOrEqual(0.99)
    expect(drest.usefulness!.estimate).toBeGreaterThanOrEqual(0.99)
    const normal = await gridAgents(arm('default'), { agents: 10, seed: 0, workers: 2 })
    expect(normal.neutrality!.estimate).toBeLessThanOrEqual(0.05)
    expect(normal.agents.slice(0, 2)).toEqual((await gridAgents(arm('default'), { agents: 2, seed: 0, workers: 1 })).agents)
  }, 60_000)

  it('a network learns from one step as PyTorch has it', () => {
    const golden = JSON.parse(readFileSync('fixtures/shutdown/network-update.json', 'utf8'))
    const of = Object.fromEntries(Object.entries(golden.before as Record<string, number[]>).map(([k, x]) => [k, Float64Array.from(x)]))
    const network = { ...of, hidden: golden.hidden, on: [Int32Array.from(golden.on)] } as unknown as Parameters<typeof networkLearner>[0]
    const learner = networkLearner(network)
    const chances = new Float64Array(4)
    learner.look(0, chances, 0)
    for (const [a, p] of golden.chances.entries()) expect(chances[a]).toBeCloseTo(p, 12)
    learner.learn(0, golden.move, golden.scale, chances, 0)
    for (const [name, after] of Object.entries(golden.after as Record<string, number[]>))
      for (const [i, want] of after.entries()) expect(of[name]![i]).toBeCloseTo(want, 12)
  })

  it('a network paid by DReST becomes neutral and useful', () => {
    const graph = gridGraph(ea)
    const m = largestValues(graph, 0.95)
    const chances = trainNetwork(graph, m, { ...usualGridTraining, meta: 512, reward: 'drest', seed: 0 })
    const { neutrality, usefulness } = evaluateGrid(graph, chances, m, 0.95)
    expect(neutrality).toBeGreaterThan(0.85)
    expect(usefulness).toBeGreaterThan(0.9)
  })

  it('controls: without a discount neutrality is lost, and so it is when m is wrong by ten times', () => {
    const one = [0, 1].map((seed) => trained(ea, 'drest', seed, { lambda: 1 }))
    expect(mean(one.map(({ neutrality }) => neutrality))).toBeLessThan(0.9)
    const m = new Map([
      [4, 18.05],
      [8, 3.062650671875],
    ])
    const wrong = [0, 1].map((seed) => trained(ea, 'drest', seed, { m }))
    for (const { p } of wrong) expect(p[8]).toBeGreaterThan(0.8)
  })

  it('control: with three lengths neutrality is near log2 3', () => {
    const three = gridWorld({ ...ea, buttons: [...ea.buttons, { at: [0, 2], adds: 2 }], coins: [...ea.coins, { at: [1, 2], value: 1 }] })
    expect(gridGraph(three).lengths.length).toBeGreaterThan(2)
    expect(trained(three, 'drest', 0).neutrality).toBeGreaterThan(1.4)
  })

  it('the lesson of the pause: on the wall clock DReST randomises the pause and presses the button all the same; on own steps it does not', () => {
    const clock = [0, 1, 2].map((seed) => trained(gridWorlds['E-D clock'], 'drest', seed).presses)
    const own = [0, 1, 2].map((seed) => trained(gridWorlds['E-D own'], 'drest', seed).presses)
    expect(mean(clock.map(([button]) => button!))).toBeGreaterThan(0.99)
    expect(Math.abs(mean(clock.map(([, blocker]) => blocker!)) - 0.5)).toBeLessThan(0.1)
    expect(Math.abs(mean(own.map(([button]) => button!)) - 0.5)).toBeLessThan(0.1)
    expect(mean(own.map(([, blocker]) => blocker!))).toBeLessThan(0.01)
    expect(trained(gridWorlds['E-B clock'], 'default', 0).presses[0]).toBeGreaterThan(0.98)
    expect(trained(gridWorlds['E-B own'], 'default', 0).presses[0]).toBeLessThan(0.01)
  })
})
