import { readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Model } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { readAnswers } from './contrast.ts'
import type { InterchangeRow } from './interchange.ts'

/** Where rows that do not say it themselves are interchanged: the begin token is 0, and −1 is the last one. */
export interface RowPositions {
  readonly position?: number
  readonly sourcePosition?: number
}

/**
 * Reads rows `{"base", "source", "answer", "wrong"}` from a JSONL file (also .gz): two texts as `complete` reads them, and the answers as
 * they go on from the base. `base_position` and `source_position` of a row come before what is asked for here, which is the last token of each.
 *
 * throws  UserError naming the line that is not such a row, or does not fit the model
 */
export async function readInterchangeRows(
  file: string,
  model: Model,
  { position = -1, sourcePosition = position }: RowPositions = {},
): Promise<InterchangeRow[]> {
  const rows: InterchangeRow[] = []
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const where = `${file}:${line}`
    const said = ['base', 'source', 'answer', 'wrong'].map((key) => value[key])
    if (said.some((one) => typeof one !== 'string' || one === ''))
      throw new UserError(`${where}: must be a JSON object with base, source, answer and wrong, got ${raw.slice(0, 60)}; mend the line`)
    const [base, source, answer, wrong] = said as [string, string, string, string]
    try {
      const [ofBase, ofSource] = [model.ids(base), model.ids(source)]
      rows.push({
        base: ofBase,
        source: ofSource,
        basePosition: placeIn(ofBase, value.base_position ?? position, 'base'),
        sourcePosition: placeIn(ofSource, value.source_position ?? sourcePosition, 'source'),
        ...readAnswers(model, base, { answer, wrong }),
      })
    } catch (error) {
      throw error instanceof UserError ? new UserError(`${where}: ${error.message}`) : error
    }
  }
  if (rows.length < 4) throw new UserError(`${file}: must hold four rows or more, to fit on and to hold out, got ${rows.length}; add rows`)
  return rows
}

function placeIn({ length }: readonly number[], position: unknown, side: string): number {
  const place = typeof position === 'number' && position < 0 ? length + position : position
  if (typeof place === 'number' && Number.isInteger(place) && place >= 0 && place < length) return place
  throw new UserError(
    `a position of ${side} must be from 0 to ${length - 1}, or from -1 back, got ${JSON.stringify(position)}; give another`,
  )
}

/** Places of rows: to fit on, and groups held out, each of which counts once. */
export interface InterchangeParts {
  readonly fit: readonly number[]
  readonly heldOut: readonly (readonly number[])[]
  /** `texts`: no text of a row held out was fitted on; `rows`: that cannot be, since rows share texts all over, so their pairs alone are new. */
  readonly split: 'texts' | 'rows'
}

/**
 * Deals rows into a part to fit on and a part that is held out. Rows that share a text lie in one part, where there are enough of such groups.
 *
 * throws  UserError where a part would have fewer than two
 */
export function dealInterchangeRows(rows: readonly InterchangeRow[], { heldOut = 0.5, seed = 0 } = {}): InterchangeParts {
  const joined = groupsOf(rows)
  const largest = Math.max(...joined.map(({ length }) => length))
  const split = joined.length >= 4 && largest <= rows.length / 4 ? 'texts' : 'rows'
  const groups = random(seed, 'interchange/parts').shuffled(split === 'texts' ? joined : [...rows.keys()].map((i) => [i]))
  const wanted = Math.round(heldOut * rows.length)
  const [fit, out]: [number[], number[][]] = [[], []]
  let taken = 0
  for (const group of groups)
    if (taken + group.length <= wanted) {
      out.push(group)
      taken += group.length
    } else fit.push(...group)
  if (fit.length < 2 || out.length < 2)
    throw new UserError(
      `das: there must be 2 rows to fit on and 2 held out, got ${fit.length} and ${out.length}; add rows, or change how many are held out`,
    )
  return { fit: fit.sort((a, b) => a - b), heldOut: out, split }
}

/** Rows that share a base or a source, directly or through others. */
function groupsOf(rows: readonly InterchangeRow[]): number[][] {
  const first = new Map<string, number>()
  const of = rows.map((_, i) => i)
  const root = (i: number): number => (of[i] === i ? i : (of[i] = root(of[i]!)))
  for (const [i, { base, source }] of rows.entries())
    for (const text of [base.join(), source.join()]) {
      const known = first.get(text)
      if (known === undefined) first.set(text, i)
      else of[root(i)] = root(known)
    }
  const groups = new Map<number, number[]>()
  for (const i of rows.keys()) groups.set(root(i), [...(groups.get(root(i)) ?? []), i])
  return [...groups.values()]
}
