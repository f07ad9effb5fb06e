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
    const layers = untangled(layered(edges), edges)
    const most = Math.max(...edges.map((e) => Math.abs(e.value)), 1e-300)
    const tallest = Math.max(...layers.map((l) => l.length), 1)
    const height = 2 * top + row * (tallest - 1)
    const place = new Map<string, readonly [x: number, y: number]>()
    for (const [i, layer] of layers.entries())
      for (const [j, name] of layer.entries()) {
        const x = layers.length === 1 ? width / 2 : side + ((width - 2 * side) * i) / (layers.length - 1)
        place.set(name, [rounded(x), rounded(height / 2 + row * (j - (layer.length - 1) / 2))])
      }
    const labels = labelsOf(edges, place)
    const body = html`${edges.map((edge) => {
      const { from, to, value } = edge
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
      return html`<g class="edge ${colour}"><title>${from} to ${to}: ${number(value)}</title><line x1="${x1}" y1="${y1}" x2="${rounded(tx - 4 * ux)}" y2="${rounded(ty - 4 * uy)}" stroke-width="${rounded(0.6 + (3.4 * Math.abs(value)) / most)}"/><polygon points="${tip.map((p) => p.map(rounded).join(',')).join(' ')}"/></g>`
    })}
${labels.map(({ words, x, y }) => html`<text class="axis" x="${rounded(x)}" y="${rounded(y)}" text-anchor="middle">${words}</text>`)}
${[...place].map(([name, [x, y]]) => html`<circle class="node" r="6" cx="${x}" cy="${y}"/><text class="ink" x="${x}" y="${y - 11}" text-anchor="middle">${name}</text>`)}`
    return { body, width, height, series: [], summary: edges.map(({ from, to, value }) => `${from} to ${to}: ${number(value)}.`).join(' ') }
  },
}

interface DrawnEdge {
  readonly from: string
  readonly to: string
  readonly value: number
}

/** The numbers of edges, the strongest first, each where it covers no node, no name and no other number; one without such a place is left out. */
function labelsOf(edges: readonly DrawnEdge[], place: ReadonlyMap<string, readonly [number, number]>) {
  const taken = [...place].map(([name, [x, y]]) => ({ x, y: y - 6, w: Math.max(16, 6.5 * name.length), h: 30 }))
  const found: { words: string; x: number; y: number }[] = []
  for (const { from, to, value } of edges.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value))) {
    const words = number(Number(value.toPrecision(2)))
    const [[x1, y1], [x2, y2]] = [place.get(from)!, place.get(to)!]
    for (const part of [0.5, 0.4, 0.6, 0.3, 0.7]) {
      const box = { x: x1 + part * (x2 - x1), y: y1 + part * (y2 - y1) - 6, w: 6.5 * words.length, h: 13 }
      if (taken.some((other) => Math.abs(other.x - box.x) < (other.w + box.w) / 2 && Math.abs(other.y - box.y) < (other.h + box.h) / 2))
        continue
      taken.push(box)
      found.push({ words, x: box.x, y: box.y + 1 })
      break
    }
  }
  return found
}

/** Every layer in the order of the mean height of its neighbours, twice there and back, so that fewer edges cross. */
function untangled(layers: readonly (readonly string[])[], edges: readonly DrawnEdge[]): string[][] {
  const now = layers.map((layer) => [...layer])
  const height = new Map<string, number>()
  const set = (layer: readonly string[]) => layer.forEach((name, j) => void height.set(name, j - (layer.length - 1) / 2))
  now.forEach(set)
  const near = new Map<string, string[]>()
  for (const { from, to } of edges) {
    near.set(from, [...(near.get(from) ?? []), to])
    near.set(to, [...(near.get(to) ?? []), from])
  }
  const mean = (name: string) => (near.get(name) ?? []).reduce((sum, one, _, all) => sum + height.get(one)! / all.length, 0)
  for (const layer of [...now, ...now.toReversed(), ...now, ...now.toReversed()]) {
    const of = new Map(layer.map((name) => [name, mean(name)]))
    layer.sort((a, b) => of.get(a)! - of.get(b)!)
    set(layer)
  }
  return now
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
  // What nothing leads to stands right before the first that it leads to.
  const led = new Set(edges.map(({ to }) => to))
  for (const name of depth.keys()) {
    const after = edges.filter((e) => e.from === name && e.to !== name).map((e) => depth.get(e.to)!)
    if (!led.has(name) && after.length > 0) depth.set(name, Math.max(0, Math.min(...after) - 1))
  }
  const layers: string[][] = []
  for (const [name, d] of depth) {
    layers[d] ??= []
    layers[d].push(name)
  }
  return layers.filter((layer) => layer !== undefined)
}
