import { type Html, html } from '../runs/index.ts'
import type { Lottery } from './lottery.ts'
import type { Relation } from './relation.ts'

const [width, row, top] = [640, 58, 34]

/**
 * Strict preferences as arrows from the better to the worse, in a column for each set of lengths; those that follow from two others are left
 * out. What no chain of arrows joins has a gap, or a dashed line where it is indifferent.
 */
export function preferenceDiagram(relation: Relation): Html {
  const { listed, strictly, weakly } = relation
  const depth = depths(listed, strictly)
  const columns = [...new Set(listed.map((x) => String(x.lengths)))]
  const wide = width / columns.length
  const place = new Map<Lottery, readonly [x: number, y: number]>()
  for (const [c, lengths] of columns.entries()) {
    const inside = listed.filter((x) => String(x.lengths) === lengths)
    for (const x of inside) {
      const beside = inside.filter((y) => depth.get(y) === depth.get(x))
      place.set(x, [wide * (c + (beside.indexOf(x) + 0.5) / beside.length), top + row * (depth.get(x)! + 0.5)])
    }
  }
  const height = top + row * (Math.max(...depth.values()) + 1)
  const covers = (x: Lottery, y: Lottery) => strictly(x, y) && !listed.some((z) => strictly(x, z) && strictly(z, y))
  const arrows = listed.flatMap((x) => listed.filter((y) => covers(x, y)).map((y) => [x, y] as const))
  const equal = listed.flatMap((x, i) => listed.slice(i + 1).flatMap((y) => (weakly(x, y) && weakly(y, x) ? [[x, y] as const] : [])))
  const said = [
    ...arrows.map(([x, y]) => `${x.name} is preferred to ${y.name}.`),
    ...equal.map(([x, y]) => `${x.name} and ${y.name} are equally good.`),
  ]
  return html`<div class="scroll" tabindex="0"><svg class="plot graph" style="min-width: 480px" viewBox="0 0 ${width} ${height}" role="img" aria-label="${said.join(' ') || 'Nothing is preferred to anything.'}">
${columns.map((lengths, c) => html`<text class="axis" x="${Math.round(wide * (c + 0.5))}" y="16" text-anchor="middle">${lengths.includes(',') ? 'lengths' : 'length'} ${lengths.replaceAll(',', ', ')}</text>`)}
${equal.map(([x, y]) => line(place.get(x)!, place.get(y)!, false))}
${arrows.map(([x, y]) => line(place.get(x)!, place.get(y)!, true))}
${[...place].map(([{ name }, [x, y]]) => html`<circle class="node" r="6" cx="${Math.round(x)}" cy="${Math.round(y)}"/><text class="ink" x="${Math.round(x) + 11}" y="${Math.round(y) + 4}">${name}</text>`)}
</svg></div>`
}

/** How many strict preferences lead down to a lottery at most; a cycle counts once. */
function depths(listed: readonly Lottery[], strictly: (x: Lottery, y: Lottery) => boolean): Map<Lottery, number> {
  const known = new Map<Lottery, number>()
  const visit = (x: Lottery): number => {
    if (!known.has(x)) {
      known.set(x, 0)
      known.set(x, Math.max(0, ...listed.filter((y) => strictly(y, x)).map((y) => visit(y) + 1)))
    }
    return known.get(x)!
  }
  for (const x of listed) visit(x)
  return known
}

function line([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number], arrow: boolean): Html {
  const far = Math.hypot(x2 - x1, y2 - y1) || 1
  const [ux, uy] = [(x2 - x1) / far, (y2 - y1) / far]
  const [tx, ty] = arrow ? [x2 - 9 * ux, y2 - 9 * uy] : [x2, y2]
  const tip = [
    [tx, ty],
    [tx - 9 * ux - 4 * uy, ty - 9 * uy + 4 * ux],
    [tx - 9 * ux + 4 * uy, ty - 9 * uy - 4 * ux],
  ]
  const points = tip.map((p) => p.map(Math.round).join(',')).join(' ')
  return html`<g class="edge s0"><line x1="${Math.round(x1)}" y1="${Math.round(y1)}" x2="${Math.round(tx)}" y2="${Math.round(ty)}" stroke-width="1.6"${!arrow && html` stroke-dasharray="4 4"`}/>${arrow && html`<polygon points="${points}"/>`}</g>`
}
