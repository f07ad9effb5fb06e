import { html } from '../html.ts'
import { number, rounded } from '../numbers.ts'
import { exactly } from '../table.ts'
import { needed, type PlotForm } from './drawing.ts'

const [width, left, top, right] = [440, 90, 6, 6]

/** A cell for each pair of two groups, the darker the larger; below zero in the other colour. */
export const heatmap: PlotForm = {
  name: 'heatmap',
  about: 'an estimate over two groups, by colour',
  sample: {
    table: {
      about: 'how far two measures go together',
      rows: ['kind', 'fluent'].flatMap((a, i) =>
        ['judge', 'gold', 'length'].map((b, j) => exactly('correlation', 0.4 - 0.3 * i - 0.2 * j, { a, b })),
      ),
    },
    axes: { title: 'Correlation', x: 'b', y: 'a' },
  },
  draw({ rows }, axes) {
    const cells = rows.map((row) => ({
      x: String(needed(row, axes, 'x', 'heatmap')),
      y: String(needed(row, axes, 'y', 'heatmap')),
      value: row.estimate,
    }))
    const [columns, lanes] = [[...new Set(cells.map((c) => c.x))], [...new Set(cells.map((c) => c.y))]]
    const most = Math.max(...cells.map((c) => Math.abs(c.value)), ...(axes.span ?? []).map(Math.abs), 1e-300)
    const [w, h] = [(width - left - right) / columns.length, Math.max(16, Math.min(30, 360 / lanes.length))]
    const place = (name: string, among: readonly string[]) => among.indexOf(name)
    const spelled = w >= 34
    // What rounding leaves beside the largest is nothing.
    const told = (value: number) => (Math.abs(value) < most / 1000 ? 0 : value)
    const { slanted = false } = axes
    const every = slanted ? 1 : Math.ceil(columns.length / 12)
    const floor = top + h * lanes.length
    const below = slanted ? 20 + 5 * Math.max(...columns.map(({ length }) => Math.min(length, 16))) : 30
    const label = (name: string, x: number) =>
      slanted
        ? html`<text x="${x}" y="${floor + 12}" text-anchor="end" transform="rotate(-55 ${x} ${floor + 12})">${name.length > 16 ? `${name.slice(0, 15)}…` : name}</text>`
        : html`<text x="${x}" y="${floor + 14}" text-anchor="middle">${name}</text>`
    const body = html`${cells.map(({ x, y, value }) => {
      const [px, py] = [rounded(left + w * place(x, columns)), rounded(top + h * place(y, lanes))]
      return html`<rect class="cell s${value < 0 ? 1 : 0}" x="${px}" y="${py}" width="${rounded(w - 1)}" height="${rounded(h - 1)}" fill-opacity="${rounded((0.85 * Math.abs(value)) / most)}"><title>${x}, ${y}: ${number(value)}</title></rect>${spelled && html`<text class="ink" x="${rounded(px + w / 2)}" y="${rounded(py + h / 2 + 3.5)}" text-anchor="middle">${number(told(value))}</text>`}`
    })}
${lanes.map((name, i) => html`<text x="${left - 7}" y="${rounded(top + h * i + h / 2 + 3.5)}" text-anchor="end">${name}</text>`)}
${columns.map((name, i) => i % every === 0 && label(name, rounded(left + w * i + w / 2))).filter((drawn) => drawn !== false)}
<text class="axis" x="${(left + width - right) / 2}" y="${floor + below}" text-anchor="middle">${axes.xLabel ?? axes.x}</text>`
    const sorted = cells.toSorted((a, b) => a.value - b.value)
    const [least, largest] = [sorted[0], sorted.at(-1)]
    const summary =
      least && largest
        ? `${lanes.length} by ${columns.length} cells; least ${number(least.value)} (${least.y}, ${least.x}), most ${number(largest.value)} (${largest.y}, ${largest.x}).`
        : 'No cells.'
    return { body, width, height: floor + below + 6, series: [], summary }
  },
}
