import { scaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'
import { html } from '../html.ts'
import { number, padded, rounded } from '../numbers.ts'
import { entry, exactly, type MeasureRow } from '../table.ts'
import { type Axes, needed, type PlotForm } from './drawing.ts'

interface Point {
  readonly x: number
  readonly y: number
  readonly low: number
  readonly high: number
}

const [width, height] = [440, 200]
const [left, right, top, bottom] = [46, 10, 10, 34]

/** Curves over a number: one a series, with a band where rows have intervals. */
export const lines: PlotForm = {
  name: 'lines',
  about: 'an estimate over a number, one curve a series',
  sample: {
    table: {
      about: 'two losses, step by step',
      rows: ['dpo', 'ipo'].flatMap((objective, i) =>
        Array.from({ length: 12 }, (_, step) => exactly(objective, 0.7 / (1 + step * (0.1 + 0.1 * i)), { step: step + 1 }, 'nats')),
      ),
    },
    axes: { title: 'Loss', unit: 'nats', x: 'step', smooth: 3 },
  },
  draw(table, axes) {
    const groups = grouped(table.rows, (row) => String(entry(row, axes.series ?? 'name')))
    const series = [...groups].map(([name, rows]) => ({ name, pieces: pieces(rows, axes) }))
    const points = series.flatMap((s) => s.pieces.flat())
    const x = scaleLinear(padded(Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x)), 0), [left, width - right])
    const lows = [...points.map((p) => p.low), ...(axes.span ?? [])].filter(Number.isFinite)
    const highs = [...points.map((p) => p.high), ...(axes.span ?? [])].filter(Number.isFinite)
    const y = scaleLinear(padded(Math.min(...lows), Math.max(...highs), 0), [height - bottom, top]).nice(4)
    const path = line<Point>(
      (p) => rounded(x(p.x)),
      (p) => rounded(y(p.y)),
    )
    const band = area<Point>(
      (p) => rounded(x(p.x)),
      (p) => rounded(y(clamp(p.low, y.domain()))),
      (p) => rounded(y(clamp(p.high, y.domain()))),
    )
    // A point without others has no curve and no band: a dot, and a line over its interval.
    const alone = (p: Point, i: number) => {
      const [at, ends] = [rounded(x(p.x)), [p.low, p.high].map((end) => rounded(y(clamp(end, y.domain()))))]
      return html`${p.low < p.high && html`<path class="s${i % 6}" d="M${at},${ends[0]}V${ends[1]}"/>`}<circle class="s${i % 6}" r="2.5" cx="${at}" cy="${rounded(y(p.y))}"/>`
    }
    const [sayY, zero] = [y.tickFormat(4), y.domain()[0]! <= 0 && 0 <= y.domain()[1]!]
    const starts = (series[0]?.pieces ?? []).slice(1).map((piece) => piece[0]!.x - 0.5)
    const whole = points.every((p) => Number.isInteger(p.x))
    const body = html`${y.ticks(4).map((t) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${rounded(y(t))}" y2="${rounded(y(t))}"/><text x="${left - 7}" y="${rounded(y(t) + 3.5)}" text-anchor="end">${sayY(t).replace('-', '−')}</text>`)}
${zero && html`<line class="zero" x1="${left}" x2="${width - right}" y1="${rounded(y(0))}" y2="${rounded(y(0))}"/>`}
${starts.map((s) => html`<line class="start" x1="${rounded(x(s))}" x2="${rounded(x(s))}" y1="${top}" y2="${height - bottom}"/>`)}
${x
  .ticks(5)
  .filter((t) => !whole || Number.isInteger(t))
  .map((t) => html`<text x="${rounded(x(t))}" y="${height - bottom + 15}" text-anchor="middle">${t}</text>`)}
<text class="axis" x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">${axes.xLabel ?? axes.x}</text>
${series.flatMap((s, i) =>
  s.pieces.map((piece) => {
    const smooth = movingMean(piece, axes.smooth ?? 1)
    const banded = piece.some((p) => p.low < p.high)
    return html`${banded && html`<path class="band s${i % 6}" d="${band(piece) ?? ''}"/>`}${smooth !== piece && html`<path class="raw s${i % 6}" d="${path(piece) ?? ''}"/>`}<path class="s${i % 6}" d="${path(smooth) ?? ''}"/>${piece.length === 1 && alone(piece[0]!, i)}`
  }),
)}`
    return { body, width, height, series: series.map((s) => s.name), summary: series.map(said).join(' ') }
  },
}

function grouped(rows: readonly MeasureRow[], key: (row: MeasureRow) => string): Map<string, MeasureRow[]> {
  const groups = new Map<string, MeasureRow[]>()
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row])
  return groups
}

/** The points of a series, in pieces where it breaks. */
function pieces(rows: readonly MeasureRow[], axes: Axes): Point[][] {
  const point = (row: MeasureRow) => ({
    x: Number(needed(row, axes, 'x', 'lines')),
    y: row.estimate,
    low: Math.min(row.low, row.estimate),
    high: Math.max(row.high, row.estimate),
  })
  return [...grouped(rows, (row) => String(axes.breaks ? entry(row, axes.breaks) : '')).values()].map((piece) => piece.map(point))
}

/** The centred mean of so many points, of fewer towards the ends so that it stays centred; the piece itself where it is too short to smooth. */
function movingMean(piece: Point[], window: number): Point[] {
  const reach = Math.floor(Math.min(window, piece.length / 3) / 2)
  if (reach < 1) return piece
  return piece.map((point, i) => {
    const half = Math.min(reach, i, piece.length - 1 - i)
    const near = piece.slice(i - half, i + half + 1)
    return { ...point, y: near.reduce((sum, p) => sum + p.y, 0) / near.length }
  })
}

function clamp(value: number, [low, high]: readonly number[]): number {
  return Math.min(Math.max(value, low!), high!)
}

function said({ name, pieces }: { name: string; pieces: readonly Point[][] }): string {
  const points = pieces.flat()
  const ys = points.map((p) => p.y)
  return `${name}: from ${number(ys[0]!)} at ${number(points[0]!.x)} to ${number(ys.at(-1)!)} at ${number(points.at(-1)!.x)}, between ${number(Math.min(...ys))} and ${number(Math.max(...ys))}.`
}
