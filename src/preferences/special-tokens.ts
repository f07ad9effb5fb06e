import type { Tokenizer } from '../text/tokenizer.ts'

/** What must be known of a model to end a text. */
export interface Ending {
  readonly tokenizer: Pick<Tokenizer, 'decode' | 'pieces'>
  readonly eosIds: readonly number[]
}

/** Ids with one end token, which is the first of several that only blanks separate; `added` or `doubled` says what was done. */
export function endedOnce(
  ids: readonly number[],
  { tokenizer, eosIds }: Ending,
): { readonly ids: readonly number[]; readonly added: boolean; readonly doubled: boolean } {
  let end: number | undefined
  for (let at = ids.length - 1; at >= 0; at--) {
    if (eosIds.includes(ids[at]!)) end = at
    else if (tokenizer.decode([ids[at]!]).trim() !== '') break
  }
  if (end !== undefined) return { ids: ids.slice(0, end + 1), added: false, doubled: end + 1 < ids.length }
  return eosIds.length === 0 ? { ids, added: false, doubled: false } : { ids: [...ids, eosIds[0]!], added: true, doubled: false }
}

/** Text of what was written before its end tokens: those and the blanks among them are left out where it ends with one. */
export function withoutEnds(text: string, { tokenizer, eosIds }: Ending): string {
  const pieces = endPieces({ tokenizer, eosIds })
  let rest = text
  for (;;) {
    const trimmed = rest.trimEnd()
    const piece = pieces.find((end) => trimmed.endsWith(end))
    if (piece === undefined) return rest
    rest = trimmed.slice(0, -piece.length)
  }
}

/** What stands after an end token that a text writes out itself, if it is more than blanks and further ends. */
export function textAfterEnd(text: string, ending: Ending): string | undefined {
  const before = withoutEnds(text, ending)
  const ends = endPieces(ending)
    .map((piece) => ({ piece, at: before.indexOf(piece) }))
    .filter(({ at }) => at >= 0)
  const first = ends.sort((a, b) => a.at - b.at)[0]
  return first && text.slice(first.at + first.piece.length)
}

function endPieces({ tokenizer, eosIds }: Ending): string[] {
  return eosIds.map((id) => tokenizer.pieces([id]).join('')).filter((piece) => piece !== '')
}
