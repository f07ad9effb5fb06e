import { type Lottery, lottery, massAt, partAt, sumAt, type Trajectory } from './lottery.ts'
import { one, type Rational, rational, total, zero } from './rational.ts'
import type { Relation } from './relation.ts'
import type { Piece, Split } from './split.ts'

/**
 * A split of two lotteries where the order by sums ranks every lottery over one length: one piece for each length, any mixture at all, and one
 * remainder that both share. `ratio` is how much of the second goes into the common measure for one of the first; at each length the remainder
 * takes worse trajectories from the first and better ones from the second, until the first's piece is at least as good. `simple`: it takes
 * nothing, or all that both share.
 *
 * limits  ratios are tried where the smaller of two shares changes, between these, and beyond; splits that need another are not found
 */
export function findFreeSplit(relation: Relation, x: Lottery, y: Lottery, how: 'simple' | 'any'): Split | undefined {
  if (String(x.lengths) !== String(y.lengths)) return undefined
  const tried = ratios(x, y)
  if (how === 'simple') {
    const found = tried.flatMap((ratio) => splitFor(relation, x, y, ratio, 'all') ?? [])
    return splitFor(relation, x, y, one, 'none') ?? found.toSorted((a, b) => sizeOf(a) - sizeOf(b))[0]
  }
  for (const ratio of tried) {
    const split = splitFor(relation, x, y, ratio, 'some')
    if (split) return split
  }
  return undefined
}

/** How much there is to tell of a split. */
function sizeOf({ pieces, remainder }: Split): number {
  return [...pieces.flatMap(({ pair }) => pair), ...(remainder ? [remainder.lottery] : [])].reduce((sum, { of }) => sum + of.size, 0)
}

/** Ratios of shares and of masses of lengths; between two of them nothing about which share is smaller changes. */
function ratios(x: Lottery, y: Lottery): Rational[] {
  const shares = [...x.of].flatMap(([t, weight]) => (y.of.has(t) ? [weight.div(y.of.get(t)!)] : []))
  const masses = x.lengths.map((length) => massAt(x, length).div(massAt(y, length)))
  const marks = [...shares, ...masses].toSorted((a, b) => a.compare(b)).filter((r, i, all) => i === 0 || !r.equals(all[i - 1]!))
  const between = marks.slice(1).map((r, i) => r.add(marks[i]!).div(2))
  return [...marks, ...between, marks[0]!.div(2), marks.at(-1)!.mul(2)]
}

/** Shares of trajectories that lie in a piece. */
type Shares = ReadonlyMap<Trajectory, Rational>

interface Cut {
  readonly length: number
  /** The pieces; undefined where the whole length goes into the remainder. */
  readonly pair?: readonly [Shares, Shares]
  readonly strict: boolean
  readonly left: Shares
}

/** What goes to the remainder: nothing, everything that both share, or as much as the pieces can do without. The first two are easier to tell. */
type Sharing = 'none' | 'all' | 'some'

function splitFor({ lacks }: Relation, x: Lottery, y: Lottery, ratio: Rational, sharing: Sharing): Split | undefined {
  const cuts: Cut[] = []
  for (const length of x.lengths) {
    const cut = cutAt(sharesAt(x, length, one), sharesAt(y, length, ratio), length, sharing)
    if (cut === undefined) return undefined
    cuts.push(cut)
  }
  const holding = cuts.filter(({ left }) => left.size > 0)
  const alone = holding.length === 1 ? holding[0]! : undefined
  // A remainder of one length would be ranked beside the piece of that length: the piece takes it in.
  const at = alone?.pair ? cuts.map((cut) => (cut === alone ? whole(x, y, cut, ratio) : cut)) : cuts
  if (at.includes(undefined)) return undefined
  const final = at as Cut[]
  const pieces = final.flatMap(({ pair, strict }): Piece[] =>
    pair ? [{ pair: [named(x, pair[0]), named(y, pair[1])], weights: [mass(pair[0]), mass(pair[1]).div(ratio)], strict }] : [],
  )
  const left = final.flatMap(({ left }) => [...left])
  const amount = total(left.map(([, weight]) => weight))
  const remainder =
    left.length > 0
      ? { lottery: lottery('R', left.map(([t, weight]) => [t, weight.div(amount)])), weights: [amount, amount.div(ratio)] as const } // biome-ignore format: one line
      : undefined
  const groups = [...pieces.map(({ pair }) => pair), ...(remainder ? [[remainder.lottery] as const] : [])]
  const apart = groups.every((group, i) => groups.every((other, j) => j <= i || group.every((a) => other.every((b) => lacks(a, b)))))
  // One piece that is the whole says nothing.
  if (groups.length < 2) return undefined
  return apart && pieces.some(({ strict }) => strict) ? { pieces, ...(remainder && { remainder }) } : undefined
}

function sharesAt({ of }: Lottery, length: number, times: Rational): Shares {
  return new Map([...of].flatMap(([t, weight]) => (t.length === length ? [[t, weight.mul(times)] as const] : [])))
}

function whole(x: Lottery, y: Lottery, { length }: Cut, ratio: Rational): Cut | undefined {
  const sign = sumAt(x, length).compare(sumAt(y, length))
  if (sign < 0) return undefined
  return { length, pair: [sharesAt(x, length, one), sharesAt(y, length, ratio)], strict: sign > 0, left: new Map() }
}

/** The pieces at one length with as much as possible left for the remainder; undefined where the first's cannot be as good. */
function cutAt(ofX: Shares, ofY: Shares, length: number, sharing: Sharing): Cut | undefined {
  const same = ofX.size === ofY.size && [...ofX].every(([t, share]) => ofY.get(t)?.equals(share))
  if (same && sharing !== 'none') return { length, strict: false, left: ofX }
  const shared = new Map([...ofX].flatMap(([t, share]) => (ofY.has(t) ? [[t, least(share, ofY.get(t)!)] as const] : [])))
  if (sharing !== 'some') {
    const pair = compared(ofX, ofY, sharing === 'all' ? shared : new Map())
    return pair && { length, ...pair }
  }
  // The best that is left of the first when worse trajectories go, and the worst of the second when better ones go.
  const [high, low] = [bestMean(ofX, shared, 1), bestMean(ofY, shared, -1)]
  if (high.compare(low) < 0) return undefined
  const above = (shares: Shares, level: Rational) => total([...shares].map(([{ sum }, share]) => share.mul(sum.sub(level))))
  for (const level of [high.add(low).div(2), high, low]) {
    const [most, least] = [above(ofX, level), above(ofY, level)]
    if (most.compare(least) < 0) continue
    const pair = cutTo(ofX, ofY, shared, level, [least, most])
    if (pair) return { length, ...pair }
  }
  return undefined
}

/** Takes a remainder out whose sum above a level lies in a range, as large as it can be. */
function cutTo(ofX: Shares, ofY: Shares, shared: Shares, level: Rational, [from, to]: readonly [Rational, Rational]) {
  const gaps = [...shared].map(([t, share]) => [t, share, t.sum.sub(level)] as const)
  const side = (sign: number) => total(gaps.filter(([, , gap]) => gap.compare(0) * sign > 0).map(([, share, gap]) => share.mul(gap).abs()))
  const [below, over] = [side(-1), side(1)]
  const [low, high] = [from.compare(below.neg()) > 0 ? from : below.neg(), to.compare(over) < 0 ? to : over]
  if (low.compare(high) > 0) return undefined
  const target = low.add(high).div(2)
  const up = over.equals(0) ? zero : least(one, target.add(below).div(over))
  const down = below.equals(0) ? zero : up.mul(over).sub(target).div(below)
  for (const part of [one, rational('1/2'), zero]) {
    const left = new Map(
      gaps
        .map(([t, share, gap]) => [t, share.mul(part).mul(gap.equals(0) ? one : gap.compare(0) > 0 ? up : down)] as const)
        .filter(([, share]) => !share.equals(0)),
    )
    const pair = compared(ofX, ofY, left)
    if (pair) return pair
  }
  return undefined
}

/** What is left of both without the remainder, where the first's is as good. */
function compared(ofX: Shares, ofY: Shares, left: Shares): Omit<Cut, 'length'> | undefined {
  const rest = (shares: Shares): Shares => {
    const kept = [...shares].map(([t, share]) => [t, share.sub(left.get(t) ?? zero)] as const)
    return new Map(kept.filter(([, share]) => !share.equals(0)))
  }
  const [a, b] = [rest(ofX), rest(ofY)]
  if (a.size === 0 || b.size === 0) return undefined
  const sign = mean(a).compare(mean(b))
  return sign < 0 ? undefined : { pair: [a, b], strict: sign > 0, left }
}

/** The mean after what can go has gone from the bad side: the lowest sums for sign 1, the highest for −1. */
function bestMean(shares: Shares, removable: Shares, sign: 1 | -1): Rational {
  const order = [...shares].toSorted(([a], [b]) => a.sum.compare(b.sum) * sign)
  let left = new Map(shares)
  for (const [t] of order) {
    if (t.sum.sub(mean(left)).compare(0) * sign >= 0) break
    const kept = new Map(left).set(t, left.get(t)!.sub(removable.get(t) ?? zero))
    if (mass(kept).equals(0)) break
    left = kept
  }
  return mean(left)
}

function mass(shares: Shares): Rational {
  return total(shares.values())
}

function mean(shares: Shares): Rational {
  return total([...shares].map(([{ sum }, share]) => sum.mul(share))).div(mass(shares))
}

function least(a: Rational, b: Rational): Rational {
  return a.compare(b) < 0 ? a : b
}

/** A piece as a lottery, by the name of what it is where that has one. */
function named(of: Lottery, shares: Shares): Lottery {
  const all = mass(shares)
  const made = lottery('', [...shares].map(([t, share]) => [t, share.div(all)])) // biome-ignore format: one line
  const [first] = made.of.keys()
  if (made.of.size === 1) return { ...made, name: first!.name }
  const part = partAt(of, first!.length)
  return part.key === made.key ? part : made
}
