import type { Effort } from './effort.ts'
import { findFreeSplit } from './free-split.ts'
import { linearProgram } from './linear-program.ts'
import { type Lottery, lottery, type Trajectory } from './lottery.ts'
import { one, type Rational, total, zero } from './rational.ts'
import type { Relation } from './relation.ts'

/** A piece of both lotteries: the first's is at least as good as the second's. */
export interface Piece {
  readonly pair: readonly [Lottery, Lottery]
  /** Its share of the first lottery and of the second. */
  readonly weights: readonly [Rational, Rational]
  readonly strict: boolean
}

/** Two lotteries as mixtures of as many pieces. */
export interface Split {
  readonly pieces: readonly Piece[]
  /** What both share, each in its own amount. */
  readonly remainder?: { readonly lottery: Lottery; readonly weights: readonly [Rational, Rational] }
}

type Candidate = Omit<Piece, 'weights'>

/**
 * A split of two lotteries into pieces with gaps among them, of which each of the first's is at least as good as the second's and one is
 * better; undefined where there is none. Which pieces have gaps is a search over cliques, which weights fit a linear program over rationals.
 *
 * limits  nothing is found once the effort is spent; pieces are nodes of the relation, and one remainder of both whose set of lengths is no other piece's
 */
export function findSplit(
  relation: Relation,
  x: Lottery,
  y: Lottery,
  effort: Effort = { left: Number.POSITIVE_INFINITY },
): Split | undefined {
  const candidates = candidatesFor(relation, x, y)
  if (!relation.ranked) return findListedSplit(relation, x, y, candidates, effort)
  const simple = findFreeSplit(relation, x, y, 'simple')
  if (simple) return simple
  // Pieces over one length are any mixture there, so that what is listed adds only pieces over several.
  const beyond = candidates.some(({ pair: [a, b] }) => a.lengths.length > 1 || String(a.lengths) !== String(b.lengths))
  const own = { left: Math.min(effort.left, 2e6) }
  const listed = beyond ? findListedSplit(relation, x, y, candidates, own) : undefined
  const split = listed ?? findFreeSplit(relation, x, y, 'any')
  if (!split && own.left < 0) effort.left = -1
  return split
}

function findListedSplit(relation: Relation, x: Lottery, y: Lottery, candidates: readonly Candidate[], effort: Effort): Split | undefined {
  if (!candidates.some(({ strict }) => strict)) return undefined
  for (const lengths of remainders(x, y)) {
    const fitting = candidates.filter(
      ({ pair }) => lengths.length === 0 || pair.every((piece) => String(piece.lengths) !== String(lengths)),
    )
    const shared = sharedAt(x, y, lengths)
    for (const clique of cliques(fitting, relation, uncovered(x, shared), uncovered(y, shared), effort)) {
      const split = weighed(x, y, clique, lengths, shared, effort)
      if (split && holds(split, relation)) return split
    }
  }
  return undefined
}

/** The same without pieces that can be left out; a remainder stays. */
export function fewestPieces(relation: Relation, x: Lottery, y: Lottery, split: Split): Split {
  const lengths = split.remainder?.lottery.lengths ?? []
  const shared = sharedAt(x, y, lengths)
  if (split.pieces.some(({ pair }) => pair.some(({ name }) => name === ''))) return split
  const without = (i: number) => weighed(x, y, split.pieces.toSpliced(i, 1), lengths, shared, { left: Number.POSITIVE_INFINITY })
  // Single trajectories go first, so that what is listed as a lottery stays one.
  const order = [...split.pieces.keys()].toSorted((i, j) => sizeOf(split.pieces[i]!) - sizeOf(split.pieces[j]!))
  for (const i of order) {
    const fewer = without(i)
    if (fewer && holds(fewer, relation)) return fewestPieces(relation, x, y, fewer)
  }
  return split
}

function sizeOf({ pair: [a, b] }: Piece): number {
  return a.of.size + b.of.size
}

/** Every two nodes that may be pieces, the first at least as good as the second. */
function candidatesFor({ nodes, weakly }: Relation, x: Lottery, y: Lottery): Candidate[] {
  const inside = (whole: Lottery) => nodes.filter((piece) => piece.key !== whole.key && [...piece.of.keys()].every((t) => whole.of.has(t)))
  const [ofX, ofY] = [inside(x), inside(y)]
  return ofX.flatMap((a) => ofY.filter((b) => weakly(a, b)).map((b) => ({ pair: [a, b] as const, strict: !weakly(b, a) })))
}

/** Sets of lengths that a remainder of both may have: none first, then the smaller ones. */
function remainders(x: Lottery, y: Lottery): number[][] {
  const shared = [...new Set([...x.of.keys()].filter((trajectory) => y.of.has(trajectory)).map(({ length }) => length))].toSorted(
    (a, b) => a - b,
  )
  const sets: number[][] = [[]]
  for (const length of shared) sets.push(...sets.map((set) => [...set, length]))
  return sets.toSorted((a, b) => a.length - b.length)
}

function sharedAt(x: Lottery, y: Lottery, lengths: readonly number[]): Trajectory[] {
  return [...x.of.keys()].filter((trajectory) => y.of.has(trajectory) && lengths.includes(trajectory.length))
}

function uncovered({ of }: Lottery, shared: readonly Trajectory[]): Trajectory[] {
  return [...of.keys()].filter((trajectory) => !shared.includes(trajectory))
}

/** The largest sets of candidates with gaps among them, one strict, that cover what no remainder can. */
function* cliques(
  candidates: readonly Candidate[],
  { lacks }: Relation,
  needX: readonly Trajectory[],
  needY: readonly Trajectory[],
  effort: Effort,
) {
  effort.left -= 3 * candidates.length ** 2
  if (effort.left < 0) return
  const apart = (i: Candidate, j: Candidate) => i.pair.every((a) => j.pair.every((b) => lacks(a, b)))
  const linked = candidates.map((i) => new Set(candidates.filter((j) => j !== i && apart(i, j))))
  const neighbours = new Map(candidates.map((candidate, i) => [candidate, linked[i]!]))
  const covers = (set: readonly Candidate[], side: 0 | 1, need: readonly Trajectory[]) =>
    need.every((trajectory) => set.some(({ pair }) => pair[side].of.has(trajectory)))
  const possible = (set: readonly Candidate[]) => set.some(({ strict }) => strict) && covers(set, 0, needX) && covers(set, 1, needY)
  yield* grow([], [...candidates], [])

  // Bron and Kerbosch 1973, with a pivot.
  function* grow(clique: Candidate[], more: Candidate[], done: Candidate[]): Generator<Candidate[]> {
    effort.left -= 10 * (more.length + done.length + 1) * (needX.length + needY.length + 1)
    if (effort.left < 0 || !possible([...clique, ...more])) return
    if (more.length === 0) {
      if (done.length === 0) yield clique
      return
    }
    const pivot = neighbours.get([...more, ...done].reduce((a, b) => (neighbours.get(b)!.size > neighbours.get(a)!.size ? b : a)))!
    let [left, seen] = [more, done]
    for (const candidate of more.filter((c) => !pivot.has(c))) {
      const near = neighbours.get(candidate)!
      yield* grow(
        [...clique, candidate],
        left.filter((c) => near.has(c)),
        seen.filter((c) => near.has(c)),
      )
      left = left.filter((c) => c !== candidate)
      seen = [...seen, candidate]
    }
  }
}

/** Weights of as many of the pieces as can have them, with a strict one among these; undefined where there are none. */
function weighed(
  x: Lottery,
  y: Lottery,
  clique: readonly Candidate[],
  lengths: readonly number[],
  shared: readonly Trajectory[],
  effort: Effort,
): Split | undefined {
  const remainder = lengths.map((length) => shared.flatMap((t, j) => (t.length === length ? [j] : [])))
  let pieces = clique
  while (pieces.some(({ strict }) => strict)) {
    const k = pieces.length
    const positive = positivePoint(
      equations(x, y, pieces, shared),
      pieces.flatMap(({ strict }, j) => (strict ? [j] : [])),
      effort,
    )
    if (positive === undefined || remainder.some((at) => at.every((j) => positive[2 * k + 2 + j]!.equals(0)))) return undefined
    const kept = pieces.filter((_, i) => [i, k + i].every((j) => !positive[j]!.equals(0)))
    if (kept.length === k) return splitAt(positive, pieces, shared)
    pieces = kept
  }
  return undefined
}

/**
 * The equations α X = Σ pᵢ Aᵢ + D and τ Y = Σ qᵢ Bᵢ + D with α + τ = 1. Unknowns: p, q, α, τ, then D.
 */
function equations(x: Lottery, y: Lottery, pieces: readonly Candidate[], shared: readonly Trajectory[]): bigint[][] {
  const k = pieces.length
  const n = 2 * k + 2 + shared.length
  const side = (whole: Lottery, i: 0 | 1) =>
    [...whole.of].map(([t, weight]) => {
      const entries: [number, Rational][] = pieces.map(({ pair }, j) => [i * k + j, pair[i].of.get(t) ?? zero])
      const left = shared.indexOf(t)
      if (left >= 0) entries.push([2 * k + 2 + left, one])
      return integers(n, [...entries, [2 * k + i, weight.neg()]])
    })
  const scaled = Array.from({ length: n + 1 }, (_, j) => (j === 2 * k || j === 2 * k + 1 || j === n ? 1n : 0n))
  return [...side(x, 0), ...side(y, 1), scaled]
}

/** A solution in which every unknown is positive that is so in any; undefined where there is none, or none of those needed can be. */
function positivePoint(rows: readonly bigint[][], needed: readonly number[], effort: Effort): Rational[] | undefined {
  const n = rows[0]!.length - 1
  const program = linearProgram(
    rows.map((row) => row.slice(0, n)),
    rows.map((row) => row[n]!),
    effort,
  )
  if (program === undefined) return undefined
  const first = program.maximise(Array.from({ length: n }, (_, j) => (needed.includes(j) ? 1n : 0n)))
  if (first === undefined || first.value.equals(0)) return undefined
  const found = [first.at]
  let missing = Array.from({ length: n }, (_, j) => j).filter((j) => first.at[j]!.equals(0))
  while (missing.length > 0) {
    const next = program.maximise(Array.from({ length: n }, (_, j) => (missing.includes(j) ? 1n : 0n)))
    if (next === undefined) return undefined
    const { value, at } = next
    if (value.equals(0)) break
    found.push(at)
    missing = missing.filter((j) => at[j]!.equals(0))
  }
  return found[0]!.map((_, j) => total(found.map((at) => at[j]!)).div(found.length))
}

function splitAt(point: readonly Rational[], pieces: readonly Candidate[], shared: readonly Trajectory[]): Split {
  const k = pieces.length
  const [alpha, tau] = [point[2 * k]!, point[2 * k + 1]!]
  const left = shared.map((trajectory, j) => [trajectory, point[2 * k + 2 + j]!] as const).filter(([, weight]) => !weight.equals(0))
  const mass = total(left.map(([, weight]) => weight))
  return {
    pieces: pieces.map((piece, i) => ({ ...piece, weights: [point[i]!.div(alpha), point[k + i]!.div(tau)] as const })),
    ...(left.length > 0 && {
      remainder: {
        lottery: lottery(
          'R',
          left.map(([trajectory, weight]) => [trajectory, weight.div(mass)]),
        ),
        weights: [mass.div(alpha), mass.div(tau)] as const,
      },
    }),
  }
}

/** A row of n entries and the right-hand side 0, times the least common denominator. */
function integers(n: number, entries: readonly (readonly [number, Rational])[]): bigint[] {
  const common = entries.reduce((product, [, { d }]) => (product % d === 0n ? product : product * d), 1n)
  const row = Array.from({ length: n + 1 }, () => 0n)
  for (const [j, { s, n: top, d }] of entries) row[j] = (s * top * common) / d
  return row
}

/** Whether the remainder, which the weights have made, has gaps to every piece. */
function holds({ pieces, remainder }: Split, { lacks }: Relation): boolean {
  return remainder === undefined || pieces.every(({ pair }) => pair.every((piece) => lacks(piece, remainder.lottery)))
}
