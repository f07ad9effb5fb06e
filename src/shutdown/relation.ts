import { UserError } from '../graph/errors.ts'
import { agreement } from './committee.ts'
import { called, expectedSum, type Lottery, partAt } from './lottery.ts'
import type { World } from './world.ts'

/** One stated preference between two lotteries, weak from the first to the second. */
export interface Link {
  readonly from: Lottery
  readonly to: Lottery
  readonly strict: boolean
}

/** Weak and strict preference of a world, over every lottery. */
export interface Relation {
  /** What is listed, and what lotteries are at each length that they can have; the same distribution once. */
  readonly nodes: readonly Lottery[]
  /** What is listed, the same distribution once. */
  readonly listed: readonly Lottery[]
  /** Whether every lottery over one length, listed or not, is ranked by its expected sum and by nothing else. */
  readonly ranked: boolean
  /** Between listed lotteries. */
  readonly links: readonly Link[]
  weakly(x: Lottery, y: Lottery): boolean
  /** Weakly, and not back: the asymmetric part. */
  strictly(x: Lottery, y: Lottery): boolean
  /** Neither is strictly preferred. */
  lacks(x: Lottery, y: Lottery): boolean
}

/**
 * The preferences that a world states: the reflexive transitive closure of what is stated, or a committee's agreements where nothing else is.
 *
 * throws  UserError when strict preferences alone form a cycle
 */
export function relationOf(world: World): Relation {
  const listed = once(world.listed)
  const nodes = once([...listed, ...listed.flatMap((x) => x.lengths.map((length) => partAt(x, length)))])
  const links = linksAmong(world, listed)
  refuseStrictCycle(world.where, listed, links)
  const agrees = agreed(world)
  const onlyCommittee = agrees !== undefined && world.indifferent.length === 0 && world.rank === undefined
  const weakly = onlyCommittee ? agrees : closure(world, nodes)
  const strictly = (x: Lottery, y: Lottery) => weakly(x, y) && !weakly(y, x)
  return {
    nodes,
    listed,
    ranked: world.rank !== undefined && agrees === undefined,
    links,
    weakly,
    strictly,
    lacks: (x, y) => !strictly(x, y) && !strictly(y, x),
  }
}

/** Weak preference of a committee that stands in for stated preferences. */
function agreed({ committee, prefers }: World): ((x: Lottery, y: Lottery) => boolean) | undefined {
  if (!committee || prefers.length > 0) return undefined
  return remembered((x, y) => x.key === y.key || ['first', 'equal'].includes(agreement(committee, x, y)))
}

/** Every preference that is stated between two of these lotteries, by the file, by rank, or by the committee. */
function linksAmong(world: World, among: readonly Lottery[]): Link[] {
  const of = new Map(among.map((x) => [x.key, x]))
  const stated = (pairs: World['prefers']) => pairs.map(([x, y]) => [of.get(x.key)!, of.get(y.key)!] as const)
  const agrees = agreed(world)
  return [
    ...stated(world.prefers).map(([from, to]) => ({ from, to, strict: true })),
    ...stated(world.indifferent).flatMap(([x, y]) => both(x, y)),
    ...(world.rank === undefined ? [] : ranked(among)),
    ...(agrees === undefined
      ? []
      : pairsOf(among)
          .filter(([x, y]) => agrees(x, y))
          .map(([from, to]) => ({ from, to, strict: !agrees(to, from) }))),
  ]
}

/** The order by expected sum among lotteries over one same length. */
function ranked(among: readonly Lottery[]): Link[] {
  const single = among.filter(({ lengths }) => lengths.length === 1).map((x) => ({ x, sum: expectedSum(x), length: x.lengths[0]! }))
  return single.flatMap((a) =>
    single
      .filter((b) => a !== b && a.length === b.length && a.sum.compare(b.sum) >= 0)
      .map((b) => ({ from: a.x, to: b.x, strict: !a.sum.equals(b.sum) })),
  )
}

/** The reflexive transitive closure over the nodes; a lottery beyond them is related by rank alone, and to itself. */
function closure(world: World, nodes: readonly Lottery[]) {
  const index = new Map(nodes.map((x, i) => [x.key, i]))
  const reached = nodes.map((_, i) => nodes.map((_, j) => i === j))
  for (const { from, to } of linksAmong(world, nodes)) reached[index.get(from.key)!]![index.get(to.key)!] = true
  for (const [k, row] of reached.entries())
    for (const other of reached) if (other[k]) for (const [j, there] of row.entries()) if (there) other[j] = true
  const near = (x: Lottery, side: 'below' | 'above') => {
    const i = index.get(x.key)
    if (i !== undefined) return [i]
    if (world.rank === undefined || x.lengths.length > 1) return []
    const sum = expectedSum(x)
    const fits = (y: Lottery) => sum.compare(expectedSum(y)) * (side === 'below' ? 1 : -1) >= 0
    return [...nodes.keys()].filter((j) => String(nodes[j]!.lengths) === String(x.lengths) && fits(nodes[j]!))
  }
  return remembered((x, y) => {
    if (x.key === y.key) return true
    const above = near(y, 'above')
    return near(x, 'below').some((i) => above.some((j) => reached[i]![j]))
  })
}

function refuseStrictCycle(where: string, listed: readonly Lottery[], links: readonly Link[]) {
  const strict = links.filter((link) => link.strict)
  const cycles = listed.map((x) => pathBetween(x, x, strict) ?? []).filter((cycle) => cycle.length > 0)
  const shortest = cycles.toSorted((a, b) => a.length - b.length)[0]
  if (shortest)
    throw new UserError(
      `${where}: strict preferences must have no cycle, got ${shortest.map(called).join(' ≻ ')}; take one of these preferences out`,
    )
}

/** The shortest chain of links from one lottery to another, both included; undefined where there is none. */
export function pathBetween(from: Lottery, to: Lottery, links: readonly Link[]): Lottery[] | undefined {
  const paths: Lottery[][] = [[from]]
  const seen = new Set<Lottery>()
  for (let path = paths.shift(); path; path = paths.shift())
    for (const link of links) {
      if (link.from !== path.at(-1)) continue
      if (link.to === to) return [...path, to]
      if (seen.has(link.to)) continue
      seen.add(link.to)
      paths.push([...path, link.to])
    }
  return undefined
}

function both(x: Lottery, y: Lottery): Link[] {
  return [
    { from: x, to: y, strict: false },
    { from: y, to: x, strict: false },
  ]
}

/** Every ordered pair of different lotteries. */
export function pairsOf(among: readonly Lottery[]): [Lottery, Lottery][] {
  return among.flatMap((x) => among.filter((y) => y !== x).map((y): [Lottery, Lottery] => [x, y]))
}

function once(lotteries: readonly Lottery[]): Lottery[] {
  return lotteries.filter((x, i) => lotteries.findIndex(({ key }) => key === x.key) === i)
}

/** The same answer for the same pair of lotteries, without asking again. */
function remembered(ask: (x: Lottery, y: Lottery) => boolean): (x: Lottery, y: Lottery) => boolean {
  const known = new WeakMap<Lottery, WeakMap<Lottery, boolean>>()
  return (x, y) => {
    const row = known.get(x) ?? new WeakMap()
    if (!known.has(x)) known.set(x, row)
    const answer = row.get(y) ?? ask(x, y)
    row.set(y, answer)
    return answer
  }
}
