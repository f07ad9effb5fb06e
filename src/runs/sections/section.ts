import type { Html } from '../html.ts'
import type { ReportData } from '../report-data.ts'

/** A part of a report, as a value: what it is called, what it shows, and how it is drawn; nothing where a run has nothing of it. */
export interface Section {
  readonly name: string
  /** A sentence or two below the name. */
  readonly about: string | ((data: ReportData) => string)
  render(data: ReportData): Html | undefined
}

/** A text from outside, ended as a sentence is. */
export function sentence(text: string): string {
  return text === '' || /[.!?…。！？]["”’»)]?$/.test(text.trim()) ? text : `${text}.`
}
