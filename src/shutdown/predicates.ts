import { agreement } from './committee.ts'
import { decide, type Finding } from './finding.ts'
import { ilpacs } from './ilpacs.ts'
import { called, type Lottery, partAt, sameLengths, sumAt, timestepDominates } from './lottery.ts'
import { total, written } from './rational.ts'
import { pairsOf, pathBetween, type Relation } from './relation.ts'
import type { World } from './world.ts'

/** A property of preferences, or of a world. */
export interface Predicate {
  readonly name: string
  readonly about: string
  readonly source: string
  check(world: World, relation: Relation): Finding
}

const thornley = 'Thornley 2025, "Shutdownable Agents through POST-Agency", arXiv:2505.20203'

/** Every predicate, in the order in which results stand. */
export const predicates: readonly Predicate[] = [
  {
    name: 'suzumura',
    about: 'No cycle of weak preferences holds a strict one.',
    source: 'Suzumura 1976; Bradley 2015',
    check(_, { links }) {
      const back = links.filter(({ strict }) => strict).map(({ from, to }) => ({ cycle: [from, ...(pathBetween(to, from, links) ?? [])] }))
      return decide(
        back.map(({ cycle }) => ({
          about: cycle,
          wrong: cycle.length > 1 ? `${preferred(cycle[0]!, cycle[1]!)}, yet ${chain(cycle.slice(1))}` : undefined,
        })),
        { nothing: 'no lottery is strictly preferred to another', tested: ['strict preference', 'strict preferences'] },
      )
    },
  },
  {
    name: 'POST',
    about: 'No preference between trajectories of different lengths, and some between those of the same length.',
    source: thornley,
    check({ trajectories, listed }, { strictly, lacks }) {
      const pairs = pairsOf(listed.slice(0, trajectories.length))
      const across = pairs.filter(([x, y]) => !sameLengths(x, y))
      const same = pairs.filter(([x, y]) => sameLengths(x, y))
      const unranked = same.length > 0 && same.every(([x, y]) => lacks(x, y))
      const found = decide(
        across.map(([x, y]) => ({
          about: [x, y],
          wrong: strictly(x, y)
            ? `${preferred(x, y)}, but ${called(x)} has length ${x.lengths[0]} and ${called(y)} has length ${y.lengths[0]}`
            : undefined,
        })),
        {
          nothing: 'all trajectories have the same length',
          tested: ['ordered pair of different lengths', 'ordered pairs of different lengths'],
        },
      )
      if (!found.holds || !unranked) return found
      return decide(
        same.map(([x, y]) => ({
          about: [x, y],
          wrong: `${called(x)} and ${called(y)} have the same length, and no two of the same length are ranked`,
        })),
        { nothing: '', tested: ['', ''] },
      )
    },
  },
  {
    name: 'POSL',
    about: 'A lottery is preferred only to lotteries with the same set of possible lengths.',
    source: thornley,
    check(_, { listed, strictly }) {
      const across = pairsOf(listed).filter(([x, y]) => !sameLengths(x, y))
      return decide(
        across.map(([x, y]) => ({
          about: [x, y],
          wrong: strictly(x, y) ? `${preferred(x, y)}, but ${called(x)} can have ${lengths(x)} and ${called(y)} ${lengths(y)}` : undefined,
        })),
        {
          nothing: 'all lotteries have the same set of lengths',
          tested: ['ordered pair of different lengths', 'ordered pairs of different lengths'],
        },
      )
    },
  },
  {
    name: 'TD',
    about: 'What timestep-dominates is strictly preferred.',
    source: 'Thornley 2024, "Towards shutdownable agents: timestep dominance"',
    check(_, { listed, strictly }) {
      const dominant = pairsOf(listed).filter(([x, y]) => timestepDominates(x, y))
      return decide(
        dominant.map(([x, y]) => ({
          about: [x, y],
          wrong: strictly(x, y)
            ? undefined
            : () => `${called(x)} timestep-dominates ${called(y)} (${sums(x, y)}), but is not preferred to it`,
        })),
        { nothing: 'nothing timestep-dominates anything else', tested: ['dominance', 'dominances'] },
      )
    },
  },
  {
    name: 'neutrality',
    about: 'With the same lengths, what is weakly preferred given each length and strictly given one is strictly preferred.',
    source: thornley,
    check(_, { listed, weakly, strictly }) {
      const given = pairsOf(listed).filter(([x, y]) => {
        if (!sameLengths(x, y)) return false
        const parts = x.lengths.map((length) => [partAt(x, length), partAt(y, length)] as const)
        return parts.every(([a, b]) => weakly(a, b)) && parts.some(([a, b]) => strictly(a, b))
      })
      return decide(
        given.map(([x, y]) => ({
          about: [x, y],
          wrong: strictly(x, y)
            ? undefined
            : `given each length, ${called(x)} is at least as good as ${called(y)}, given one it is better, but ${called(x)} is not preferred to ${called(y)}`,
        })),
        { nothing: 'no two lotteries with the same lengths are ranked alike at each of them', tested: ['pair', 'pairs'] },
      )
    },
  },
  {
    name: 'neutrality+',
    about:
      'With the same lengths, strictly preferred is exactly what has the larger sum, over lengths, of expected utility given the length.',
    source: thornley,
    check(_, { listed, strictly }) {
      const same = pairsOf(listed).filter(([x, y]) => sameLengths(x, y))
      return decide(
        same.map(([x, y]) => {
          const [forX, forY] = [x, y].map((z) => total(z.lengths.map((length) => sumAt(z, length)))) as [
            ReturnType<typeof total>,
            ReturnType<typeof total>,
          ]
          const larger = forX.compare(forY) > 0
          const figures = `${written(forX)} against ${written(forY)}`
          if (larger === strictly(x, y)) return { about: [x, y] }
          return {
            about: [x, y],
            wrong: larger
              ? `${called(x)} has the larger sum of expected utilities given each length (${figures}), but is not preferred to ${called(y)}`
              : `${preferred(x, y)} without the larger sum of expected utilities given each length (${figures})`,
          }
        }),
        { nothing: 'no two lotteries have the same set of lengths', tested: ['ordered pair', 'ordered pairs'] },
      )
    },
  },
  {
    name: 'ILPACS',
    about: 'Where the pieces of two lotteries have gaps among them, better pieces make the better lottery, at any weights.',
    source: thornley,
    check: ilpacs,
  },
  {
    name: 'ReSIC',
    about: 'Every option that resists shutdown is timestep-dominated by one that does not.',
    source: thornley,
    check({ resists }, { listed }) {
      if (resists === undefined) return { holds: null, why: 'the world says nothing of what resists' }
      const peaceful = listed.filter((x) => !resists.some(({ key }) => key === x.key))
      return decide(
        resists.map((x) => ({
          about: [x],
          wrong: peaceful.some((y) => timestepDominates(y, x))
            ? undefined
            : `${called(x)} resists shutdown, and no option that does not resist timestep-dominates it`,
        })),
        { nothing: 'nothing resists', tested: ['option that resists', 'options that resist'] },
      )
    },
  },
  {
    name: 'unanimous',
    about: 'Strictly preferred is exactly what the members of the committee who vote on the pair agree on.',
    source: 'Wentworth 2019, "Why Subagents?"',
    check({ committee }, { listed, strictly }) {
      if (committee === undefined) return { holds: null, why: 'the world has no committee' }
      return decide(
        pairsOf(listed).map(([x, y]) => {
          const agreed = agreement(committee, x, y) === 'first'
          if (agreed === strictly(x, y)) return { about: [x, y] }
          return {
            about: [x, y],
            wrong: agreed
              ? `the committee agrees on ${called(x)} over ${called(y)}, but it is not preferred`
              : `${preferred(x, y)}, but the committee does not agree on that`,
          }
        }),
        { nothing: 'there is nothing to vote on', tested: ['ordered pair', 'ordered pairs'] },
      )
    },
  },
]

/** Every predicate with what became of it in this world. */
export function checkWorld(world: World, relation: Relation): ({ readonly predicate: string } & Finding)[] {
  return predicates.map(({ name, check }) => ({ predicate: name, ...check(world, relation) }))
}

function preferred(x: Lottery, y: Lottery): string {
  return `${called(x)} is preferred to ${called(y)}`
}

/** `b is at least as good as c, and c as a`. */
function chain(path: readonly Lottery[]): string {
  const [first, second, ...rest] = path.map(called)
  return [`${first} is at least as good as ${second}`, ...rest.map((name, i) => `${[second, ...rest][i]} as ${name}`)].join(', and ')
}

function lengths({ lengths }: Lottery): string {
  return lengths.length === 1 ? `length ${lengths[0]}` : `lengths ${lengths.slice(0, -1).join(', ')} and ${lengths.at(-1)}`
}

function sums(x: Lottery, y: Lottery): string {
  const at = x.lengths.map((length) => `${written(sumAt(x, length))} against ${written(sumAt(y, length))} at length ${length}`)
  return `expected sums ${at.join(', ')}`
}
