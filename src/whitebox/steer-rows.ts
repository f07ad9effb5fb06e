import { readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Model, Tree } from '../policy/index.ts'
import { nearDuplicates } from '../preferences/index.ts'
import { random } from '../random/index.ts'

/** A text of one side: what stands before it, and what is scored. */
export interface SteerRow {
  /** Prompt and completion together, for what is alike. */
  readonly text: string
  /** One completion; of a text that is given whole, all but its first token. */
  readonly tree: Tree
}

/**
 * Reads rows `{"text"}` or `{"prompt", "completion"}` from a JSONL file (also .gz). Tokens are those of the whole text as `complete` reads it, without an
 * end token; a completion begins where they are no longer those of the prompt alone.
 *
 * throws  UserError naming the line that is not such a row or does not fit the model
 */
export async function readSteerRows(file: string, model: Pick<Model, 'ids' | 'config'>): Promise<SteerRow[]> {
  const rows: SteerRow[] = []
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const { text, prompt, completion } = value
    const whole = typeof text === 'string' ? text : typeof prompt === 'string' && typeof completion === 'string' ? prompt + completion : ''
    if (whole === '')
      throw new UserError(
        `${file}:${line}: must be a JSON object with text, or with prompt and completion, got ${raw.slice(0, 60)}; mend the line`,
      )
    const ids = model.ids(whole)
    const before = typeof text === 'string' ? ids.slice(0, 1) : model.ids(prompt as string)
    let shared = 0
    while (shared < before.length && before[shared] === ids[shared]) shared++
    if (shared === 0 || shared === ids.length || ids.length > model.config.contextLength)
      throw new UserError(
        `${file}:${line}: must have 1 token or more before what is scored, 1 or more in it, and at most ${model.config.contextLength} in all, got ${shared}, ${ids.length - shared} and ${ids.length}; mend the line`,
      )
    rows.push({ text: whole, tree: { prompt: ids.slice(0, shared), completions: [ids.slice(shared)] } })
  }
  if (rows.length === 0) throw new UserError(`${file}: must hold at least one row, got none; write one a line`)
  return rows
}

/** Places of rows of both sides, in three parts that share none. */
export interface SteerParts {
  readonly fit: Places
  /** Layer and strength are chosen on these. */
  readonly choose: Places
  /** What is reported is measured on these. */
  readonly measure: Places
  /** As many rows on both sides: the i-th of one belongs to the i-th of the other. */
  readonly paired: boolean
}
type Places = readonly [positive: readonly number[], negative: readonly number[]]

/**
 * Deals rows into a part to fit on and two that are held out: a third of these to choose on, two thirds to measure on. Where both sides have as many rows they are
 * pairs, and a pair stays together; so do near duplicates.
 *
 * throws  UserError where a part would have fewer than two rows of a side
 */
export function dealSteerRows(positive: readonly SteerRow[], negative: readonly SteerRow[], { heldOut = 0.6, seed = 0 } = {}): SteerParts {
  const paired = positive.length === negative.length
  const deal = (texts: readonly string[], name: string) => {
    const wanted = (share: number) => Math.max(2, Math.round(share * heldOut * texts.length))
    const [fit, choose, measure]: [number[], number[], number[]] = [[], [], []]
    const held = [{ part: measure, most: wanted(2 / 3) }, { part: choose, most: wanted(1 / 3) }] // biome-ignore format: one line
    for (const group of random(seed, name).shuffled(nearDuplicates(texts)))
      (held.find(({ part, most }) => part.length + group.length <= most)?.part ?? fit).push(...group)
    if ([fit, choose, measure].some(({ length }) => length < 2))
      throw new UserError(
        `steer: each side must have 2 rows to fit on, 2 to choose on and 2 to measure on, got ${fit.length}, ${choose.length} and ${measure.length} of ${texts.length}; near duplicates stay together, so give more that differ`,
      )
    return [fit, choose, measure].map((part) => part.sort((a, b) => a - b)) as [number[], number[], number[]]
  }
  if (paired) {
    const [fit, choose, measure] = deal(positive.map(({ text }, i) => `${text}\n${negative[i]!.text}`), 'steer/pairs') // biome-ignore format: one line
    return { fit: [fit, fit], choose: [choose, choose], measure: [measure, measure], paired }
  }
  const [a, b] = [deal(positive.map(({ text }) => text), 'steer/positive'), deal(negative.map(({ text }) => text), 'steer/negative')] // biome-ignore format: one line
  return { fit: [a[0], b[0]], choose: [a[1], b[1]], measure: [a[2], b[2]], paired }
}
