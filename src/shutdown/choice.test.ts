import { describe, expect, it } from 'vitest'
import { choosers, maximal, situations, stronglyMaximal } from './choice.ts'
import type { DecisionTree, Preferences } from './decision-tree.ts'
import { fuzz, isPumped } from './money-pump.ts'
import { randomTree } from './random-tree.ts'

/** How many trees in all; with INNATE_TREES=100000 it was seen to hold over so many. */
const trees = Number(process.env.INNATE_TREES ?? 1000)
const count = Math.ceil(trees / 5) // of each kind
const seeds = Array.from({ length: count }, (_, seed) => seed)

const end = (outcome: string) => ({ kind: 'outcome', outcome }) as const
const after = { kind: 'choice', branches: [end('B'), end('A-')] } as const
const pump: DecisionTree<string> = { kind: 'choice', branches: [end('A'), after] }
const stated = (...pairs: string[]): Preferences<string> => ({ weakly: (x, y) => x === y || pairs.includes(`${x} ${y}`) })
const sweetened = stated('A A-')

describe('a choice', () => {
  it('A ≻ A- with a gap to B: maximal is what nothing is preferred to', () => {
    expect(maximal(['A', 'A-', 'B'], sweetened)).toEqual(['A', 'B'])
  })
  it('a chain of indifference to what is not maximal taints, however long', () => {
    const chained = stated('A B', 'B A', 'B C', 'C B', 'D C')
    expect(maximal(['A', 'B', 'C', 'D'], chained)).toEqual(['A', 'B', 'D'])
    expect(stronglyMaximal(['A', 'B', 'C', 'D'], chained)).toEqual(['D'])
  })

  it.each<[keyof typeof choosers, string[], string[]]>([
    ['dsm', ['A', 'B'], ['B']],
    ['resolute', ['A', 'B'], ['B']],
    ['naive', ['A', 'B'], ['A-', 'B']],
    ['sophisticated', ['A', 'B'], ['A-', 'B']],
  ])('V-DSM-1: what %s permits at the root, and after swapping', (rule, root, swapped) => {
    const met = situations(pump, choosers[rule], sweetened)
    const permitted = (at: DecisionTree<string>) =>
      met.find(({ situation }) => situation.node === at)!.permitted.map(({ prospect }) => prospect)
    expect(permitted(pump).toSorted()).toEqual(root)
    expect(permitted(after).toSorted()).toEqual(swapped)
  })
})

describe(`over ${trees} random trees`, { timeout: 3_600_000 }, () => {
  it.each(['gaps', 'links'] as const)(
    'with %s: dynamic strong maximality permits something, and nothing worse than the root had; the money pump works on naive choice',
    (drawn) => {
      const [dsm, naive] = [fuzz('dsm', drawn, count, { trammelling: true }), fuzz('naive', drawn, count, { trammelling: true })]
      expect(dsm).toMatchObject({ pumped: 0, stuck: 0 })
      expect(naive.stuck).toBe(0)
      expect(naive.pumped).toBeGreaterThan(count / 100)
      // Of preferences that are closed under chains it permits what some complete extension permits, of which naive choice falls short.
      if (drawn === 'gaps') expect(dsm.trammelled).toBe(dsm.histories)
      expect(naive.trammelled).toBeLessThan(naive.histories)
    },
  )

  it('a plan that was maximal at first, kept to its end, is no money pump either', () => {
    expect(fuzz('resolute', 'gaps', count)).toMatchObject({ pumped: 0, stuck: 0 })
  })

  it('with complete preferences it is expected utility: permitted is the best, and nothing else', () => {
    const wrong = seeds.filter((seed) => {
      const { tree, preferences } = randomTree(seed, 'complete')
      return situations(tree, choosers.dsm, preferences).some(({ situation: { available }, permitted }) => {
        const best = Math.max(...available.map(({ prospect }) => prospect.worth[0]!))
        return available.some((plan) => permitted.includes(plan) !== (plan.prospect.worth[0] === best))
      })
    })
    expect(wrong).toEqual([])
  })

  it('with cycles through strict preferences the guarantee fails, and the count says so', () => {
    const { pumped, stuck } = fuzz('dsm', 'cyclic', count)
    expect(pumped + stuck).toBeGreaterThan(0)
  })

  it('with chances, a plan that was permitted at the root stays permitted wherever chance leads, and lived to its end is no money pump', () => {
    const wrong = seeds.filter((seed) => {
      const { tree, preferences } = randomTree(seed, 'uncertain')
      const met = situations(tree, choosers.dsm, preferences)
      const [first] = met[0]!.permitted
      const left = met[0]!.permitted.some((plan) =>
        met.some(({ situation, permitted }) => situation.available.includes(plan) && !permitted.includes(plan)),
      )
      const kept = met.map(({ situation, permitted }) => ({ situation, permitted: permitted.filter((plan) => plan === first) }))
      return first === undefined || left || isPumped(preferences, kept)
    })
    expect(wrong).toEqual([])
  })

  it('with chances, plans chosen afresh on each side of a chance can together be worse than one plan: it is counted', () => {
    const many = 1000
    const { pumped } = fuzz('dsm', 'uncertain', many)
    expect(pumped).toBeGreaterThan(0)
    expect(pumped).toBeLessThan(fuzz('naive', 'uncertain', many).pumped / 5)
  })
})
