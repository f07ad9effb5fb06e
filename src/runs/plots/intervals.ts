import { scaleLinear } from 'd3-scale'
import { html } from '../html.ts'
import { padded, rounded, withInterval } from '../numbers.ts'
import { entry, exactly } from '../table.ts'
import type { PlotForm } from './drawing.ts'

/** Rows below each other on one axis: a line from low to high, a dot at the estimate, the allowed side shaded and its edges marked. */
export const intervals: PlotForm = {
  name: 'intervals',
  about: 'estimates with their intervals, against a bound',
  sample: {
    table: {
      about: 'win rates',
      rows: [
        { ...exactly('winRate', 0.74, { round: 1 }, 'share'), low: 0.69, high: 0.79, n: 256 },
        { ...exactly('winRate', 0.66, { round: 2 }, 'share'), low: 0.61, high: 0.71, n: 256 },
      ],
    },
    axes: { title: 'Win rate', y: 'round', from: 0.6, to: Number.POSITIVE_INFINITY, within: [0, 1] },
  },
  draw({ rows }, axes) {
    const { from, to, zero = false, span = [], within = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], labels = true } = axes
    const edges = [from, to].filter((e) => e !== undefined && Number.isFinite(e)) as number[]
    const all = [...rows.flatMap((b) => [b.low, b.high, b.estimate]), ...edges, ...span, ...(zero ? [0] : [])].filter(Number.isFinite)
    const x = scaleLinear(padded(Math.min(...all), Math.max(...all), span.length > 0 ? 0 : 0.15), [0, 100]).nice(5)
    const [low, high] = x.domain() as [number, number]
    x.domain([Math.max(low, within[0]), Math.min(high, within[1])])
    const at = (value: number) => rounded(Math.min(100, Math.max(0, Number.isFinite(value) ? x(value) : value > 0 ? 100 : 0)))
    const lane = labels ? 36 : 20
    const floor = 5 + lane * rows.length
    const name = (row: (typeof rows)[number]) => {
      const found = entry(row, axes.y ?? 'name') ?? row.name
      return typeof found === 'number' ? `${axes.y} ${found}` : found
    }
    const say = x.tickFormat(4)
    const bounded = from !== undefined && to !== undefined
    const [a, b] = [at(from ?? Number.NEGATIVE_INFINITY), at(to ?? Number.POSITIVE_INFINITY)]
    const body = html`${bounded && html`<rect class="allowed" x="${a}%" width="${rounded(b - a)}%" y="5" height="${floor - 5}"/>`}<line class="grid" x1="0%" x2="100%" y1="${floor}" y2="${floor}"/>
${zero && html`<line class="zero" x1="${at(0)}%" x2="${at(0)}%" y1="5" y2="${floor}"/>`}${edges.map((e) => html`<line class="bound" x1="${at(e)}%" x2="${at(e)}%" y1="2" y2="${floor + 3}"/>`)}
${rows.map((row, i) => {
  const y = 5 + lane * (i + 1) - 10
  return html`<g class="lane ${String(row.group.kind ?? axes.kind ?? 'plain')}">${labels && html`<text class="name" x="0%" y="${y - 11}">${name(row)}</text>`}<line class="range" x1="${at(row.low)}%" x2="${at(row.high)}%" y1="${y}" y2="${y}"/><circle r="5" cx="${at(row.estimate)}%" cy="${y}"><title>${name(row)}: ${withInterval(row)}</title></circle></g>`
})}
${x.ticks(4).map((t) => html`<text x="${at(t)}%" y="${floor + 14}" text-anchor="middle">${say(t).replace('-', '−')}</text>`)}`
    const bound =
      edges.length > 0
        ? ` Allowed: ${from !== undefined && Number.isFinite(from) ? `from ${from}` : ''}${to !== undefined && Number.isFinite(to) ? ` to ${to}` : ''}.`
        : ''
    return {
      body,
      height: floor + 20,
      series: [],
      summary: `${rows.map((row) => `${name(row)}: ${withInterval(row)}.`).join(' ')}${bound}`,
    }
  },
}
