import { readJsonObjects } from '../../files/index.ts'
import { UserError } from '../../graph/index.ts'
import type { Model } from '../../policy/index.ts'
import { random } from '../../random/index.ts'

/** A prompt, and what should be said after it. */
export interface TargetRow {
  readonly prompt: string
  /** Of prompt and completion; without a completion the prompt's alone. */
  readonly ids: readonly number[]
  /** Where the completion begins; `ids.length` where there is none. */
  readonly from: number
}

/**
 * Reads rows `{"prompt", "completion"}` from a JSONL file (also .gz). Tokens are those of the whole text as `complete` reads it, without an end token; a
 * completion begins where they are no longer those of the prompt alone. With `bare` it may be left out.
 *
 * throws  UserError naming the line that is not such a row or does not fit the model, and where there are fewer than `least`
 */
export async function readTargetRows(
  file: string,
  model: Pick<Model, 'ids' | 'config'>,
  { bare = false, least = 1 }: { readonly bare?: boolean; readonly least?: number } = {},
): Promise<TargetRow[]> {
  const rows: TargetRow[] = []
  const most = model.config.contextLength
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const { prompt, completion } = value
    const none = bare && completion === undefined
    if (typeof prompt !== 'string' || prompt === '' || (!none && (typeof completion !== 'string' || completion === '')))
      throw new UserError(
        `${file}:${line}: must be a JSON object with prompt${bare ? '' : ' and completion'}, got ${raw.slice(0, 60)}; mend the line`,
      )
    const before = model.ids(prompt)
    const ids = none ? before : model.ids(prompt + completion)
    let from = 0
    while (from < before.length && before[from] === ids[from]) from++
    if (from === 0 || (!none && from === ids.length) || ids.length > most)
      throw new UserError(
        `${file}:${line}: must have 1 token or more in the prompt, 1 or more in the completion, and at most ${most} in all, got ${from}, ${ids.length - from} and ${ids.length}; mend the line`,
      )
    rows.push({ prompt, ids, from })
  }
  if (rows.length < least) throw new UserError(`${file}: must hold ${least} rows or more, got ${rows.length}; add rows`)
  return rows
}

/** Texts of the control set, with their words. */
export interface ControlText {
  readonly text: string
  readonly ids: readonly number[]
}

/**
 * Reads texts that must be predicted as before: rows with `text`, `prompt`, or `prompt` and `completion`, which are one text.
 *
 * throws  UserError naming the line that is no such row or does not fit the model, and for an empty file
 */
export async function readControlTexts(file: string, model: Pick<Model, 'ids' | 'config'>): Promise<ControlText[]> {
  const texts: ControlText[] = []
  const most = model.config.contextLength
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const { text, prompt, completion = '' } = value
    const words = typeof text === 'string' ? text : typeof prompt === 'string' && typeof completion === 'string' ? prompt + completion : ''
    if (words === '')
      throw new UserError(`${file}:${line}: must be a JSON object with text or prompt, got ${raw.slice(0, 60)}; mend the line`)
    const ids = model.ids(words)
    if (ids.length === 0 || ids.length > most)
      throw new UserError(`${file}:${line}: a text must have 1 to ${most} tokens, got ${ids.length}; shorten it`)
    texts.push({ text: words, ids })
  }
  if (texts.length === 0) throw new UserError(`${file}: must hold at least one text, got none; write one a line`)
  return texts
}

/** The control set must say what stays, so none of its texts is a prompt whose answer should change. */
export function refuseTargets(where: string, rows: readonly TargetRow[], control: readonly ControlText[]): void {
  const prompts = new Set(rows.map(({ prompt }) => prompt.trim()))
  const both = control.filter(({ text }) => prompts.has(text.trim()))
  if (both.length > 0)
    throw new UserError(
      `${where}: must not contain prompts of the target, got ${both.length}, such as ${JSON.stringify(both[0]!.text.slice(0, 60))}; take them out`,
    )
}

/**
 * Places of rows to search on and of rows held out; equal keys stay in one part.
 *
 * throws  UserError where a part would be smaller than `least`
 */
export function dealt(where: string, keys: readonly string[], heldOut: number, seed: number, least: number) {
  const groups = new Map<string, number[]>()
  for (const [i, key] of keys.entries()) groups.set(key, [...(groups.get(key) ?? []), i])
  const [fit, held]: [number[], number[]] = [[], []]
  for (const group of random(seed, `search/${where}`).shuffled([...groups.values()]))
    (held.length < Math.max(least, Math.round(heldOut * keys.length)) ? held : fit).push(...group)
  if (fit.length < least || held.length < least)
    throw new UserError(
      `${where}: must hold ${least} different rows or more to search on and ${least} held out, got ${fit.length} and ${held.length}; add rows, or change heldOut`,
    )
  return { fit: fit.sort((a, b) => a - b), held: held.sort((a, b) => a - b) }
}
