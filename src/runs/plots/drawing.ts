import { UserError } from '../../graph/errors.ts'
import type { Html } from '../html.ts'
import { entry, type MeasureRow, type Table } from '../table.ts'

/** What a plot shows on its axes. `x`, `y`, `series` and `breaks` are keys of a row's groups, or `name`. */
export interface Axes {
  readonly title: string
  readonly unit?: string
  /** A sentence below the title. */
  readonly about?: string
  readonly x?: string
  readonly y?: string
  /** What the horizontal axis is called; the key itself when left out. */
  readonly xLabel?: string
  /** What tells curves apart. */
  readonly series?: string
  /** Where this changes, a curve is broken and a dashed rule drawn. */
  readonly breaks?: string
  /** How many points a centred moving mean takes; the raw curve stays behind it, fainter. */
  readonly smooth?: number
  /** The allowed side of the axis of values, shaded. */
  readonly from?: number
  readonly to?: number
  /** A rule at zero. */
  readonly zero?: boolean
  /** The axis of values at least. */
  readonly span?: readonly number[]
  /** The axis of values at most: what the measure can be. */
  readonly within?: readonly [number, number]
  /** A word for the colour of a lane: met, missed, prior, posterior, fighting, plain. */
  readonly kind?: string
  /** Names below columns stand slanted, so that each has room. */
  readonly slanted?: boolean
  /** Whether lanes carry their names; off where the page names them. */
  readonly labels?: boolean
}

/** A drawing without its frame. */
export interface Drawing {
  readonly body: Html
  readonly height: number
  /** Left out where places are percentages, so that the drawing fits any width and its text keeps its size. */
  readonly width?: number
  /** The curves by name, in the order of their colours. */
  readonly series: readonly string[]
  /** What one sees, in words. */
  readonly summary: string
}

/** A way to draw a table, as a value: a test draws the sample of each. */
export interface PlotForm {
  readonly name: string
  readonly about: string
  readonly sample: { readonly table: Table; readonly axes: Axes }
  draw(table: Table, axes: Axes): Drawing
}

/** The entry of a row that a plot cannot do without. */
export function needed(row: MeasureRow, axes: Axes, axis: 'x' | 'y', plot: string): string | number {
  const key = axes[axis]
  const found = key === undefined ? undefined : entry(row, key)
  if (found !== undefined) return found
  const keys = ['name', ...Object.keys(row.group)].join(', ')
  throw new UserError(
    `plot ${plot}: axes.${axis} must be one of ${keys}, got ${key ?? 'nothing'} for ${row.name}; name a group of the rows`,
  )
}
