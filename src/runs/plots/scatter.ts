import { scaleLinear } from 'd3-scale'
import { UserError } from '../../graph/errors.ts'
import { html } from '../html.ts'
import { padded, rounded, withInterval } from '../numbers.ts'
import { entry, exactly, type MeasureRow } from '../table.ts'
import type { Axes, PlotForm } from './drawing.ts'

const [width, height] = [440, 260]
const [left, right, top, bottom] = [46, 12, 12, 36]

/** One measure against another: a dot a series with both intervals as a cross, and behind it what was averaged, fainter. */
export const scatter: PlotForm = {
  name: 'scatter',
  about: 'one measure against another, with both intervals',
  sample: {
    table: {
      about: 'two arms',
      rows: ['default', 'drest'].flatMap((arm, i) => [
        { ...exactly('neutrality', 0.1 + 0.8 * i, { arm }, 'bits'), low: 0.05 + 0.8 * i, high: 0.2 + 0.8 * i, n: 10 },
        { ...exactly('usefulness', 0.9, { arm }, 'share'), low: 0.8, high: 0.95, n: 10 },
      ]),
    },
    axes: { title: 'Neutrality against usefulness', x: 'neutrality', y: 'usefulness', series: 'arm', span: [0, 1] },
  },
  draw({ rows }, axes) {
    const dots = paired(rows, axes)
    const scale = (of: 'across' | 'up', range: [number, number]) => {
      const all = [...dots.flatMap((dot) => [dot[of].low, dot[of].high, ...(dot[of].values ?? [])]), ...(axes.span ?? [])]
      return scaleLinear(padded(Math.min(...all), Math.max(...all), axes.span ? 0 : 0.1), range).nice(4)
    }
    const [x, y] = [scale('across', [left, width - right]), scale('up', [height - bottom, top])]
    const at = (across: number, up: number) => [rounded(x(across)), rounded(y(up))] as const
    const label = (row: MeasureRow) => (row.unit === '' || row.unit === 'share' ? row.name : `${row.name}, ${row.unit}`)
    const body = html`${y.ticks(4).map((t) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${rounded(y(t))}" y2="${rounded(y(t))}"/><text x="${left - 7}" y="${rounded(y(t) + 3.5)}" text-anchor="end">${t}</text>`)}
${x.ticks(5).map((t) => html`<line class="grid" y1="${top}" y2="${height - bottom}" x1="${rounded(x(t))}" x2="${rounded(x(t))}"/><text x="${rounded(x(t))}" y="${height - bottom + 15}" text-anchor="middle">${t}</text>`)}
<text class="axis" x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">${label(dots[0]!.across)}</text>
<text class="axis" x="12" y="${(top + height - bottom) / 2}" text-anchor="middle" transform="rotate(-90 12 ${(top + height - bottom) / 2})">${label(dots[0]!.up)}</text>
${dots.map(({ name, across, up }, i) => {
  const [cx, cy] = at(across.estimate, up.estimate)
  const each = (across.values ?? []).map((value, k) => at(value, up.values?.[k] ?? up.estimate))
  return html`<g class="s${i % 6}">${each.map(([px, py]) => html`<circle r="3" cx="${px}" cy="${py}" opacity="0.35"/>`)}<line class="range" x1="${rounded(x(across.low))}" x2="${rounded(x(across.high))}" y1="${cy}" y2="${cy}"/><line class="range" x1="${cx}" x2="${cx}" y1="${rounded(y(up.low))}" y2="${rounded(y(up.high))}"/><circle r="5" cx="${cx}" cy="${cy}"><title>${name}: ${across.name} ${withInterval(across)}, ${up.name} ${withInterval(up)}</title></circle></g>`
})}`
    return {
      body,
      width,
      height,
      series: dots.map(({ name }) => name),
      summary: dots
        .map(({ name, across, up }) => `${name}: ${across.name} ${withInterval(across)}, ${up.name} ${withInterval(up)}.`)
        .join(' '),
    }
  },
}

/** The two rows of each series: the one named as the horizontal axis and the one named as the vertical. */
function paired(rows: readonly MeasureRow[], { x, y, series = 'name' }: Axes) {
  const names = [...new Set(rows.map((row) => String(entry(row, series))))]
  return names.map((name) => {
    const own = rows.filter((row) => String(entry(row, series)) === name)
    const [across, up] = [x, y].map((axis) => own.find((row) => row.name === axis))
    if (!across || !up)
      throw new UserError(
        `plot scatter: axes.x and axes.y must each name a row of ${name}, got ${x} and ${y} among ${own.map((row) => row.name).join(', ')}; name two measures`,
      )
    return { name, across, up }
  })
}
