import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { type Html, html } from './html.ts'

/** A curve over optimizer steps, broken where a new round starts from the original model. */
export interface Series {
  readonly name: string
  readonly rounds: readonly (readonly (readonly [x: number, y: number])[])[]
}

const [width, height] = [440, 200]
const [left, right, top, bottom] = [46, 10, 10, 34]

/** A line chart as inline SVG: labelled axes, a rule at zero, a dashed rule where a round starts; colours come from the page. */
export function lineChart({ title, unit, about, series }: { title: string; unit: string; about: string; series: readonly Series[] }): Html {
  const points = series.flatMap((s) => s.rounds.flat())
  const xs = points.map(([x]) => x)
  const ys = points.map(([, y]) => y)
  const x = scaleLinear([Math.min(...xs, 1), Math.max(...xs, 2)], [left, width - right])
  const y = scaleLinear(padded(Math.min(...ys), Math.max(...ys), 0), [height - bottom, top]).nice(4)
  const path = line<readonly [number, number]>(
    ([a]) => round(x(a)),
    ([, b]) => round(y(b)),
  )
  const yTicks = y.ticks(4)
  const sayY = y.tickFormat(4)
  const xTicks = x.ticks(5).filter(Number.isInteger)
  const starts = series[0]!.rounds.slice(1).flatMap((r) => (r[0] ? [r[0][0] - 0.5] : []))
  const inside = ([from, to]: readonly number[]) => from! <= 0 && 0 <= to!
  return html`<figure class="chart">
  <figcaption><b>${title}</b> <span class="unit">${unit}</span>${
    series.length > 1 && series.map((s, i) => html`<span class="key s${i}">${s.name}</span>`)
  }<br><small>${about}</small></figcaption>
  <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} over optimizer steps">
    ${yTicks.map((t) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${round(y(t))}" y2="${round(y(t))}"/><text x="${left - 7}" y="${round(y(t) + 3.5)}" text-anchor="end">${sayY(t)}</text>`)}
    ${inside(y.domain()) && html`<line class="zero" x1="${left}" x2="${width - right}" y1="${round(y(0))}" y2="${round(y(0))}"/>`}
    ${starts.map((s) => html`<line class="start" x1="${round(x(s))}" x2="${round(x(s))}" y1="${top}" y2="${height - bottom}"/>`)}
    ${xTicks.map((t) => html`<text x="${round(x(t))}" y="${height - bottom + 15}" text-anchor="middle">${t}</text>`)}
    <text class="axis" x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">optimizer step</text>
    ${series.flatMap((s, i) => s.rounds.map((r) => html`<path class="s${i}" d="${path(r) ?? ''}"/>`))}
    ${series.flatMap((s, i) => s.rounds.filter((r) => r.length === 1).map(([p]) => html`<circle class="s${i}" r="2.5" cx="${round(x(p![0]))}" cy="${round(y(p![1]))}"/>`))}
  </svg>
</figure>`
}

/** What an axis shows besides its intervals. */
export interface Axis {
  /** The bound. */
  readonly from?: number
  readonly to?: number
  readonly zero?: boolean
  /** The axis at least. */
  readonly span?: readonly number[]
  /** The axis at most: what the measure can be. */
  readonly within?: readonly [number, number]
}

/** One interval on its axis. */
export interface Bar {
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly kind: string
}

/**
 * Intervals on one axis, as boxes whose places are percentages, so that they fit any width: a line from low to high, a dot at the estimate,
 * and, when there is a bound, the allowed side shaded and its edges marked.
 */
export function intervals(
  bars: readonly Bar[],
  { from, to, zero = false, span = [], within = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] }: Axis = {},
): Html {
  const edges = [from, to].filter((e) => e !== undefined && Number.isFinite(e)) as number[]
  const all = [...bars.flatMap((b) => [b.low, b.high, b.estimate]), ...edges, ...span, ...(zero ? [0] : [])]
  const x = scaleLinear(padded(Math.min(...all), Math.max(...all), span.length > 0 ? 0 : 0.15), [0, 100]).nice(5)
  const [low, high] = x.domain() as [number, number]
  x.domain([Math.max(low, within[0]), Math.min(high, within[1])])
  const at = (value: number) => round(Number.isFinite(value) ? x(value) : value > 0 ? 100 : 0)
  const ticks = x.ticks(4)
  const say = x.tickFormat(4)
  const bounded = from !== undefined && to !== undefined
  const [a, b] = [at(from ?? Number.NEGATIVE_INFINITY), at(to ?? Number.POSITIVE_INFINITY)]
  return html`<div class="intervals"><div class="lanes">${bounded && html`<i class="allowed" style="left:${a}%;width:${round(b - a)}%"></i>`}${edges.map((e) => html`<i class="bound" style="left:${at(e)}%"></i>`)}${
    zero && html`<i class="nought" style="left:${at(0)}%"></i>`
  }${bars.map(({ estimate, low, high, kind }) => html`<div class="lane ${kind}"><i class="range" style="left:${at(low)}%;width:${round(at(high) - at(low))}%"></i><i class="dot" style="left:${at(estimate)}%"></i></div>`)}</div><div class="ticks">${ticks.map((t) => html`<span style="left:${at(t)}%">${say(t)}</span>`)}</div></div>`
}

/** A domain with air around it; never empty. */
function padded(low: number, high: number, air: number): [number, number] {
  if (low === high) return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2]
  return [low - air * (high - low), high + air * (high - low)]
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
