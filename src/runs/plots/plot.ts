import { UserError } from '../../graph/errors.ts'
import { type Html, html } from '../html.ts'
import { rounded } from '../numbers.ts'
import type { Table } from '../table.ts'
import type { Axes, Drawing, PlotForm } from './drawing.ts'
import { graph } from './graph.ts'
import { heatmap } from './heatmap.ts'
import { histogram } from './histogram.ts'
import { intervals } from './intervals.ts'
import { lines } from './lines.ts'
import { scatter } from './scatter.ts'
import { plotStyle } from './style.ts'

/** Every way to draw a table. */
export const plotForms = { lines, intervals, heatmap, histogram, graph, scatter } satisfies Record<string, PlotForm>

/** The name of a way to draw a table. */
export type PlotName = keyof typeof plotForms

/**
 * Draws a table as an SVG file that stands alone: titled, described in words, light or dark as its reader has it, and it fetches nothing.
 *
 * throws  UserError when the table has no rows, or lacks what the axes name
 */
export function plot(table: Table, as: PlotName, axes: Axes): string {
  const { body, width, height, series, summary } = draw(table, as, axes)
  const wide = width ?? 640
  const places = keyPlaces(series, wide)
  const above = series.length > 1 ? 42 + 18 * places.at(-1)!.row : 24
  const key = (name: string, i: number) =>
    html`<g class="s${i % 6}"><rect class="bar" x="${places[i]!.x}" y="${28 + 18 * places[i]!.row}" width="14" height="4"/><text x="${places[i]!.text}" y="${34 + 18 * places[i]!.row}">${name}</text></g>`
  const keys = html`${series.length > 1 && series.map(key)}`
  // Places in percent are of this inner frame.
  const inner = html`<svg x="10" y="${above}" width="${wide - 20}" height="${height}" ${width ? html`viewBox="0 0 ${width} ${height}"` : html`overflow="visible"`}>${body}</svg>`
  return html`<svg xmlns="http://www.w3.org/2000/svg" class="plot ${as}" viewBox="0 0 ${wide} ${above + height + 6}" role="img" aria-labelledby="title desc">
<title id="title">${axes.title}</title>
<desc id="desc">${described(table, axes, summary)}</desc>
<style>${{ html: plotStyle }}</style>
<text class="title" x="10" y="16">${axes.title}${axes.unit && ` (${axes.unit})`}</text>${keys}
${inner}
</svg>
`.html
}

/** Where the name of each curve stands: evenly in one row where all fit, else one after the other in as many rows as it takes. */
function keyPlaces(
  series: readonly string[],
  wide: number,
): readonly { readonly x: number; readonly text: number; readonly row: number }[] {
  const needs = series.map((name) => 36 + 6.2 * name.length)
  const each = (wide - 20) / series.length
  if (needs.every((need) => need <= each))
    return series.map((_, i) => ({ x: 10 + (i * (wide - 20)) / series.length, text: 28 + (i * (wide - 20)) / series.length, row: 0 }))
  let [x, row] = [10, 0]
  return needs.map((need) => {
    if (x > 10 && x + need > wide) [x, row] = [10, row + 1]
    const at = { x: rounded(x), text: rounded(x + 18), row }
    x += need
    return at
  })
}

/** The same drawing inside a page that holds `plotStyle` once; the page has its caption. */
export function drawn(table: Table, as: PlotName, axes: Axes): Html {
  const { body, width, height, summary } = draw(table, as, axes)
  const size = width ? html`viewBox="0 0 ${width} ${height}"` : html`height="${height}"`
  return html`<svg class="plot ${as}" ${size} role="img" aria-label="${axes.title}. ${described(table, axes, summary)}">${body}</svg>`
}

/** A drawing with its title, unit, sentence and keys above it. */
export function figure(table: Table, as: PlotName, axes: Axes): Html {
  const { series } = draw(table, as, axes)
  return html`<figure class="chart">
<figcaption><b>${axes.title}</b> <span class="unit">${axes.unit}</span>${
    series.length > 1 && series.map((name, i) => html`<span class="key s${i % 6}">${name}</span>`)
  }<br><small>${axes.about}</small></figcaption>
${drawn(table, as, axes)}
</figure>`
}

function draw(table: Table, as: PlotName, axes: Axes): Drawing {
  if (table.rows.length === 0) throw new UserError(`plot ${as}: a table must have rows to be drawn, got none; leave the plot out`)
  return plotForms[as].draw(table, axes)
}

function described({ about }: Table, axes: Axes, summary: string): string {
  const sentence = about === '' ? '' : `${about.charAt(0).toUpperCase()}${about.slice(1)}${/[.!?]$/.test(about) ? '' : '.'} `
  return `${sentence}${axes.about && axes.about !== about ? `${axes.about}. ` : ''}${summary}`
}
