import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exactly } from '../table.ts'
import { drawn, type PlotName, plot, plotForms } from './plot.ts'

describe.each(Object.values(plotForms))('plot $name', (form) => {
  const { table, axes } = form.sample
  const svg = plot(table, form.name as PlotName, { ...axes, title: `${axes.title} <&> "${form.name}"` })
  if (process.env.INNATE_REPORTS) writeFileSync(join(process.env.INNATE_REPORTS, `plot-${form.name}.svg`), svg)

  it('is known by its own name', () => expect(plotForms[form.name as PlotName]).toBe(form))

  it('stands alone: titled, described in words, light and dark, and fetches nothing', () => {
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*role="img" aria-labelledby="title desc"/)
    expect(svg).toContain('<title id="title">')
    expect(svg).toContain('@media (prefers-color-scheme: dark)')
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|@import|<script|<image|href=/)
  })

  it('says every row in its description, or the ends of it', () => {
    const said = svg.match(/<desc id="desc">([^<]*)<\/desc>/)![1]!
    expect(said.toLowerCase()).toContain(table.about)
    expect(said).toMatch(/\d/)
  })

  it('is balanced, escaped, without a hole in a number', () => {
    expect(svg).not.toMatch(/NaN|undefined|Infinity|\[object/)
    expect(svg).toContain('&#60;&#38;&#62;')
    for (const tag of ['svg', 'g', 'text', 'title', 'desc', 'style'])
      expect([tag, svg.split(new RegExp(`<${tag}[ >]`)).length]).toEqual([tag, svg.split(`</${tag}>`).length])
  })

  it('is the same each time, and refuses a table without rows', () => {
    expect(plot(table, form.name as PlotName, axes)).toBe(plot(table, form.name as PlotName, axes))
    expect(() => plot({ ...table, rows: [] }, form.name as PlotName, axes)).toThrow(/must have rows/)
  })
})

describe('what is drawn is what was measured', () => {
  it('a histogram counts every value once', () => {
    const values = Array.from({ length: 137 }, (_, i) => Math.sin(i * i) * 10)
    const svg = plot({ about: '', rows: [{ ...exactly('a', 0, {}), values }] }, 'histogram', { title: 'a' })
    const counts = [...svg.matchAll(/<title>a, [^:]*: (\d+)<\/title>/g)].map(([, n]) => Number(n))
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(137)
  })

  it('a smoothed straight line is itself: the mean is centred, at the ends too', () => {
    const rows = Array.from({ length: 30 }, (_, i) => exactly('a', 2 * i + 1, { step: i }))
    const svg = drawn({ about: '', rows }, 'lines', { title: 'a', x: 'step', smooth: 7 }).html
    const [raw, smooth] = [...svg.matchAll(/<path class="(?:raw )?s0" d="([^"]*)"/g)].map(([, d]) => d!.match(/[\d.]+/g)!.map(Number))
    expect(smooth!.length).toBe(60)
    expect(Math.max(...smooth!.map((v, i) => Math.abs(v - raw![i]!)))).toBeLessThan(0.011)
  })

  it('curves break where they are told to', () => {
    const rows = [1, 2].flatMap((round) => [1, 2, 3].map((i) => exactly('a', i, { step: 3 * round + i, round })))
    const paths = (svg: string) => svg.split('<path').length - 1
    expect(paths(drawn({ about: '', rows }, 'lines', { title: 'a', x: 'step', breaks: 'round' }).html)).toBe(2)
    expect(paths(drawn({ about: '', rows }, 'lines', { title: 'a', x: 'step' }).html)).toBe(1)
  })

  it('a point alone shows its interval, between the heights of its ends', () => {
    const rows = [
      { ...exactly('a', 0.5, { x: 0.5, piece: 1 }), low: 0.25, high: 1 },
      ...[1, 2].map((x) => exactly('a', x - 1, { x, piece: 2 })),
    ]
    const svg = drawn({ about: '', rows }, 'lines', { title: 'a', x: 'x', breaks: 'piece' }).html
    const [, at, low, high] = svg.match(/<path class="s0" d="M([\d.]+),([\d.]+)V([\d.]+)"/)!.map(Number)
    const [, cx, cy] = svg.match(/<circle class="s0" r="2.5" cx="([\d.]+)" cy="([\d.]+)"/)!.map(Number)
    expect(cx).toBe(at)
    expect((low! - cy!) / (low! - high!)).toBeCloseTo(1 / 3, 3)
  })

  it('an axis names a group of the rows', () => {
    const table = { about: '', rows: [exactly('a', 1, { step: 1 })] }
    expect(() => plot(table, 'lines', { title: 'a', x: 'stepp' })).toThrow('axes.x must be one of name, step, got stepp')
    expect(() => plot(table, 'histogram', { title: 'a' })).toThrow('must have values')
  })

  it('a graph with a circle is drawn, each node once', () => {
    const edge = (from: string, to: string) => exactly('e', 1, { from, to })
    const svg = plot({ about: '', rows: [edge('a', 'b'), edge('b', 'a'), edge('b', 'c')] }, 'graph', { title: 'g', x: 'from', y: 'to' })
    expect(svg.match(/class="node"/g)!.length).toBe(3)
  })

  it('an interval that is open on one side ends at the edge', () => {
    const row = { ...exactly('a', 0.5, {}), low: 0.2, high: Number.POSITIVE_INFINITY }
    expect(plot({ about: '', rows: [row] }, 'intervals', { title: 'a' })).toMatch(/x2="100%"/)
  })
})
