import { z } from 'zod'
import { estimateSchema } from './schema.ts'

/**
 * An estimate with its groups: which arm, seed, step or goal it belongs to, by name. `values` are the numbers behind it, one for each
 * unit that was resampled, where a comparison or a histogram needs them.
 */
export const measureRowSchema = estimateSchema.extend({
  name: z.string(),
  group: z.record(z.string(), z.union([z.string(), z.number()])).readonly(),
  values: z.exactOptional(z.array(z.number()).readonly()),
})
export type MeasureRow = Readonly<z.infer<typeof measureRowSchema>>

/** What everything that measures returns and everything that draws takes: rows, and a sentence that says what they are. */
export const tableSchema = z.object({ about: z.string(), rows: z.array(measureRowSchema).readonly() })
export type Table = Readonly<z.infer<typeof tableSchema>>

/** A number that is known without an interval, as a row: a point of a curve, a cell. */
export function exactly(name: string, value: number, group: MeasureRow['group'], unit = ''): MeasureRow {
  return { name, group, estimate: value, low: value, high: value, n: 1, unit }
}

/** The entry of a row under a key: its name, or one of its groups. */
export function entry(row: MeasureRow, key: string): string | number | undefined {
  return key === 'name' ? row.name : row.group[key]
}
