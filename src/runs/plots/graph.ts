import { html } from '../html.ts'
import { number, rounded } from '../numbers.ts'
import { exactly } from '../table.ts'
import { needed, type PlotForm } from './drawing.ts'

const [width, side, top, row] = [640, 70, 24, 46]

/** Nodes in layers from left to right, an arrow for each row: the thicker the larger, below zero in the other colour. */
export const graph: PlotForm = {
  name: 'graph',
  about: 'rows as arrows from one node to another',
  sample: {
    table: {
      about: 'which head reads which',
      rows: [
        exactly('effect', 0.8, { from: '0.1', to: '2.3' }),
        exactly('effect', -0.3, { from: '0.2', to: '2.3' }),
        exactly('effect', 0.5, { from: '2.3', to: 'logits' }),
      ],
    },
    axes: { title: 'Paths', x: 'from', y: 'to' },
  },
  draw({ rows }, axes) {
    const edges = rows.map((r) => ({
      from: String(needed(r, axes, 'x', 'graph')),
      to: String(needed(r, axes, 'y', 'graph')),
      value: r.estimate,
    }))
    const layers = layered(edges)
    const most = Math.max(...edges.map((e) => Math.abs(e.value)), 1e-300)
    const tallest = Math.max(...layers.map((l) => l.length), 1)
    const height = 2 * top + row * (tallest - 1)
    const place = new Map<string, readonly [x: number, y: number]>()
    for (const [i, layer] of layers.entries())
      for (const [j, name] of layer.entries()) {
        const x = layers.length === 1 ? width / 2 : side + ((width - 2 * side) * i) / (layers.length - 1)
        place.set(name, [rounded(x), rounded(height / 2 + row * (j - (layer.length - 1) / 2))])
      }
    const labelled = edges.length <= 40
    const body = html`${edges.map(({ from, to, value }) => {
      const [[x1, y1], [x2, y2]] = [place.get(from)!, place.get(to)!]
      const length = Math.hypot(x2 - x1, y2 - y1) || 1
      const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length]
      const [tx, ty] = [x2 - 8 * ux, y2 - 8 * uy]
      const tip = [
        [tx, ty],
        [tx - 9 * ux - 4 * uy, ty - 9 * uy + 4 * ux],
        [tx - 9 * ux + 4 * uy, ty - 9 * uy - 4 * ux],
      ]
      const colour = value < 0 ? 's1' : 's0'
      return html`<g class="edge ${colour}"><title>${from} to ${to}: ${number(value)}</title><line x1="${x1}" y1="${y1}" x2="${rounded(tx - 4 * ux)}" y2="${rounded(ty - 4 * uy)}" stroke-width="${rounded(0.6 + (3.4 * Math.abs(value)) / most)}"/><polygon points="${tip.map((p) => p.map(rounded).join(',')).join(' ')}"/>${labelled && html`<text x="${rounded((x1 + x2) / 2)}" y="${rounded((y1 + y2) / 2 - 6)}" text-anchor="middle">${number(value)}</text>`}</g>`
    })}
${[...place].map(([name, [x, y]]) => html`<circle class="node" r="6" cx="${x}" cy="${y}"/><text class="ink" x="${x}" y="${y - 11}" text-anchor="middle">${name}</text>`)}`
    return { body, width, height, series: [], summary: edges.map(({ from, to, value }) => `${from} to ${to}: ${number(value)}.`).join(' ') }
  },
}

/** Nodes by the longest way that leads to them; an edge that closes a circle counts for nothing. */
function layered(edges: readonly { from: string; to: string }[]): string[][] {
  const depth = new Map<string, number>()
  const onWay = new Set<string>()
  const visit = (name: string): number => {
    const known = depth.get(name)
    if (known !== undefined) return known
    onWay.add(name)
    const before = edges.filter((e) => e.to === name && !onWay.has(e.from)).map((e) => visit(e.from) + 1)
    onWay.delete(name)
    depth.set(name, Math.max(0, ...before))
    return depth.get(name)!
  }
  for (const { from, to } of edges) for (const name of [from, to]) visit(name)
  const layers: string[][] = []
  for (const [name, d] of depth) {
    layers[d] ??= []
    layers[d].push(name)
  }
  return layers.filter((layer) => layer !== undefined)
}
