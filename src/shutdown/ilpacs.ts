import type { Effort } from './effort.ts'
import type { Finding } from './finding.ts'
import { smaller } from './finding.ts'
import { called, type Lottery } from './lottery.ts'
import { written } from './rational.ts'
import { pairsOf, type Relation } from './relation.ts'
import { fewestPieces, findSplit, type Split } from './split.ts'
import type { World } from './world.ts'

/**
 * ILPACS: if the pieces of two lotteries have gaps among them, each piece of the first is at least as good as that of the second and one is
 * better, then the first lottery is preferred, at any weights. Every pair of what is listed is tried on every split into pieces.
 *
 * limits  pieces are what is listed, what lotteries are at one length (with `rank` any mixture at one length), and one remainder that both share
 * source  Thornley 2025, arXiv:2505.20203
 */
export function ilpacs(_: World, relation: Relation): Finding {
  const pairs = pairsOf(relation.listed)
    .filter(([x, y]) => x.of.size + y.of.size > 2)
    .map(([x, y]) => ({ about: [x, y] as const, x, y }))
  const effort: Effort = { left: mostEffort }
  const asking = ({ about, x, y }: (typeof pairs)[number]) => {
    const split = findSplit(relation, x, y, effort)
    return split && { about, x, y, split }
  }
  // The smallest first, so that the first that is wrong is the counterexample.
  const [kept, open] = [true, false].map((strict) => pairs.filter(({ x, y }) => relation.strictly(x, y) === strict).toSorted(smaller)) as [
    typeof pairs,
    typeof pairs,
  ]
  const wrong = first(open, asking)
  if (wrong === undefined) {
    if (effort.left < 0) return { holds: null, why: 'there are too many splits to try them all; take lotteries or members away' }
    const one = first(kept, asking)
    if (one) return { holds: true, why: `every pair that has such a split tested, ${called(one.x)} over ${called(one.y)} among them` }
    return { holds: null, why: 'no two lotteries have a split into pieces with gaps among them and one better piece' }
  }
  const back = asking({ about: [wrong.y, wrong.x], x: wrong.y, y: wrong.x })
  const why = (found: typeof wrong) => told(found.x, found.y, fewestPieces(relation, found.x, found.y, found.split))
  return {
    holds: false,
    counterexample: `${why(wrong)}; so ${called(wrong.x)} should be preferred to ${called(wrong.y)}, and is not`,
    ...(back && {
      why: `No preference between the two can mend it, since another split asks for ${called(back.x)} over ${called(back.y)}: ${why(back)}`,
    }),
  }
}

/** About a second; worlds of a dozen trajectories and half a dozen lotteries take less than a tenth of it. */
const mostEffort = 1.3e7

function first<A, B>(among: readonly A[], ask: (one: A) => B | undefined): B | undefined {
  for (const one of among) {
    const found = ask(one)
    if (found !== undefined) return found
  }
  return undefined
}

/** `X = 1/10 a + 9/10 D and Y = 9/10 b + 1/10 D, with a gap between a and D; a ≻ b`. */
function told(x: Lottery, y: Lottery, { pieces, remainder }: Split): string {
  const side = (i: 0 | 1) =>
    [
      ...pieces.map((piece) => `${written(piece.weights[i])} ${pieceName(piece.pair[i])}`),
      ...(remainder ? [`${written(remainder.weights[i])} R`] : []),
    ].join(' + ')
  const better = pieces.filter(({ strict }) => strict).map(({ pair: [a, b] }) => `${pieceName(a)} is better than ${pieceName(b)}`)
  const equal = pieces
    .filter(({ strict, pair: [a, b] }) => !strict && a.key !== b.key)
    .map(({ pair: [a, b] }) => `${pieceName(a)} is as good as ${pieceName(b)}`)
  const what = remainder ? `, where R is ${contents(remainder.lottery)}` : ''
  return `${called(x)} = ${side(0)} and ${called(y)} = ${side(1)}${what}; ${[...better, ...equal].join(', ')}, and the pieces of each have gaps among them`
}

function pieceName(x: Lottery): string {
  if (x.name === '') return `(${contents(x)})`
  return x.name.includes(' at length ') ? `(${x.name})` : called(x)
}

function contents({ of }: Lottery): string {
  return [...of].map(([trajectory, weight]) => `${written(weight)} ${called(trajectory)}`).join(' + ')
}
