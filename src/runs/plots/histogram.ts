import { scaleLinear } from 'd3-scale'
import { UserError } from '../../graph/errors.ts'
import { html } from '../html.ts'
import { number, padded, rounded } from '../numbers.ts'
import { entry, exactly } from '../table.ts'
import type { PlotForm } from './drawing.ts'

const [width, height] = [440, 200]
const [left, right, top, bottom] = [46, 10, 10, 34]

/** How often the values of each row fall into equal bins. */
export const histogram: PlotForm = {
  name: 'histogram',
  about: 'the values behind rows, counted in equal bins',
  sample: {
    table: {
      about: 'tokens of completions',
      rows: ['before', 'after'].map((name, i) => ({
        ...exactly(name, 40, {}, 'tokens'),
        values: Array.from({ length: 90 }, (_, k) => 20 + 10 * i + 12 * Math.sin(k) + (k % 7)),
      })),
    },
    axes: { title: 'Length', unit: 'completions', xLabel: 'tokens' },
  },
  draw({ rows }, axes) {
    const series = rows.map((row) => {
      if (!row.values?.length)
        throw new UserError(`plot histogram: every row must have values, got none for ${row.name}; keep them in the table`)
      return { name: String(entry(row, axes.series ?? 'name') ?? row.name), values: row.values }
    })
    const all = series.flatMap((s) => s.values)
    const x = scaleLinear(padded(reduced(all, Math.min), reduced(all, Math.max), 0), [left, width - right]).nice(20)
    const [from, to] = x.domain() as [number, number]
    const step = x.ticks(20)[1]! - x.ticks(20)[0]!
    const bins = Math.round((to - from) / step)
    const counts = series.map(({ values }) => counted(values, from, step, bins))
    const y = scaleLinear([0, Math.max(...counts.flat())], [height - bottom, top]).nice(4)
    const whole = y.ticks(4).filter(Number.isInteger)
    const body = html`${whole.map((t) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${rounded(y(t))}" y2="${rounded(y(t))}"/><text x="${left - 7}" y="${rounded(y(t) + 3.5)}" text-anchor="end">${t}</text>`)}
${counts.flatMap((row, i) =>
  row.map((n, k) => {
    const [a, b] = [from + k * step, from + (k + 1) * step]
    return html`<rect class="bar s${i % 6}" x="${rounded(x(a) + 0.5)}" width="${rounded(x(b) - x(a) - 1)}" y="${rounded(y(n))}" height="${rounded(y(0) - y(n))}"><title>${series[i]!.name}, ${number(a)} to ${number(b)}: ${n}</title></rect>`
  }),
)}
${x.ticks(5).map((t) => html`<text x="${rounded(x(t))}" y="${height - bottom + 15}" text-anchor="middle">${number(t)}</text>`)}
<text class="axis" x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">${axes.xLabel ?? axes.x ?? axes.unit}</text>`
    const summary = series
      .map(({ name, values }) => {
        const sorted = values.toSorted((a, b) => a - b)
        const at = (p: number) => number(sorted[Math.floor(p * (sorted.length - 1))]!)
        return `${name}: ${values.length} values from ${at(0)} to ${at(1)}, half of them at or below ${at(0.5)}.`
      })
      .join(' ')
    return { body, width, height, series: series.map((s) => s.name), summary }
  },
}

/** Counts by bin; the last bin holds its upper end too. */
function counted(values: readonly number[], from: number, step: number, bins: number): number[] {
  const counts = new Array<number>(bins).fill(0)
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - from) / step))]!++
  return counts
}

function reduced(values: readonly number[], pick: (a: number, b: number) => number): number {
  return values.reduce((found, value) => pick(found, value))
}
