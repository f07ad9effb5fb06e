import { z } from 'zod'
import { tableSchema } from '../table.ts'
import { type PlotName, plotForms } from './plot.ts'

const some = z.exactOptional(z.string())

/** A table with how it is drawn, as a file of a run's folder `tables/` holds it for the report. */
export const shownSchema = z.object({
  /** Which section of the report shows it; with the other tables when left out. */
  section: z.exactOptional(z.enum(['inside', 'shutdown', 'reward'])),
  table: tableSchema,
  as: z.enum(Object.keys(plotForms) as [PlotName, ...PlotName[]]),
  axes: z.strictObject({
    title: z.string(),
    unit: some,
    about: some,
    x: some,
    y: some,
    xLabel: some,
    series: some,
    breaks: some,
    smooth: z.exactOptional(z.number()),
    from: z.exactOptional(z.number()),
    to: z.exactOptional(z.number()),
    zero: z.exactOptional(z.boolean()),
    span: z.exactOptional(z.array(z.number()).readonly()),
  }),
})
/** The file in a run's folder that the report finds a table in. */
export function tableFile(name: string): string {
  return `tables/${name}.json`
}

export type Shown = Readonly<z.infer<typeof shownSchema>>
