import { html } from '../html.ts'
import type { Section } from './section.ts'
import { pageTable } from './table.ts'

/** What a run's time was spent on. */
export const times: Section = {
  name: 'Where the time went',
  about:
    'By the clock, over all processes that worked on the run. What is part of something else counts once; writing files and compiling are part of what they were for.',
  render({ times: seconds }) {
    if (!seconds) return undefined
    const all = Object.values(seconds).reduce((sum, x) => sum + x, 0)
    const rows = Object.entries(seconds)
      .toSorted(([, a], [, b]) => b - a)
      .map(
        ([label, x]) =>
          html`<tr><th scope="row">${label}</th><td>${said(x)}</td><td>${(all > 0 ? (100 * x) / all : 0).toFixed(0)} %</td></tr>`,
      )
    return pageTable('Where the time went', [
      html`<tr><th scope="col">what</th><th scope="col">time</th><th scope="col">share</th></tr>`,
      ...rows,
    ])
  },
}

function said(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
