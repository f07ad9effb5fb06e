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
 * limits  pieces are what is listed, what lotteries are at one length, and one remainder that both share in any amount
 * source  Thornley 2025, arXiv:2505.20203
 */
export function ilpacs(_: World, relation: Relation): Finding {
  const asked = pairsOf(relation.listed).flatMap(([x, y]) => {
    const split = x.of.size + y.of.size > 2 ? findSplit(relation, x, y) : undefined
    return split ? [{ about: [x, y] as const, x, y, split }] : []
  })
  if (asked.length === 0) return { holds: null, why: 'no two lotteries have a split into pieces with gaps among them and one better piece' }
  const wrong = asked.filter(({ x, y }) => !relation.strictly(x, y)).toSorted(smaller)[0]
  if (wrong === undefined) return { holds: true, why: `${asked.length} ${asked.length === 1 ? 'pair' : 'pairs'} with such a split tested` }
  const back = asked.find(({ x, y }) => x === wrong.y && y === wrong.x)
  const why = (asking: typeof wrong) => told(asking.x, asking.y, fewestPieces(relation, asking.x, asking.y, asking.split))
  return {
    holds: false,
    counterexample: `${why(wrong)}; so ${called(wrong.x)} should be preferred to ${called(wrong.y)}, and is not`,
    ...(back && {
      why: `No preference between the two can mend it, since another split asks for ${called(back.x)} over ${called(back.y)}: ${why(back)}`,
    }),
  }
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
  return x.name.includes(' at length ') ? `(${x.name})` : called(x)
}

function contents({ of }: Lottery): string {
  return [...of].map(([trajectory, weight]) => `${written(weight)} ${called(trajectory)}`).join(' + ')
}
