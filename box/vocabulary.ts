/** The parts of a SentencePiece BPE tokenizer.json that are cut down; the rest stays as it is. */
export interface TokenizerJson {
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[]
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly (string | readonly [string, string])[] }
}

export interface Vocabulary {
  readonly json: TokenizerJson
  /** Old ids by new id, ascending. */
  readonly kept: readonly number[]
}

/**
 * Cuts a vocabulary down to `size` pieces: the special tokens, the 256 bytes, and of the rest the most frequent ones, each with every
 * piece that is merged on the way to it, so that what is kept is still reached.
 *
 * Text made of kept pieces is cut as before; other words fall into smaller pieces, and characters that are gone into bytes.
 */
export function trimVocabulary(json: TokenizerJson, counts: ReadonlyMap<number, number>, size: number): Vocabulary {
  const merges = json.model.merges.map((merge) => (typeof merge === 'string' ? (merge.split(' ') as [string, string]) : merge))
  const rank = new Map(merges.map(([left, right], i) => [`${left} ${right}`, i]))
  const idOf = json.model.vocab
  const pieces = Object.entries(idOf)
  const kept = new Set(pieces.filter(([piece]) => /^<.+>$/.test(piece)).map(([piece]) => piece))
  const byCount = pieces
    .filter(([piece, id]) => counts.has(id) && !kept.has(piece))
    .sort(([, a], [, b]) => counts.get(b)! - counts.get(a)! || a - b)
  for (const [piece] of byCount) {
    const missing = [...madeOnTheWay(piece, rank)].filter((part) => !kept.has(part) && idOf[part] !== undefined)
    if (kept.size + missing.length > size) continue
    for (const part of missing) kept.add(part)
  }
  const old = [...kept].map((piece) => idOf[piece]!).sort((a, b) => a - b)
  const newId = new Map(old.map((id, i) => [id, i]))
  const vocab = Object.fromEntries(pieces.filter(([, id]) => newId.has(id)).map(([piece, id]): [string, number] => [piece, newId.get(id)!]))
  const reached = merges.filter(([left, right]) => kept.has(left) && kept.has(right) && kept.has(left + right))
  return {
    json: {
      ...json,
      added_tokens: json.added_tokens.map((token) => ({ ...token, id: newId.get(token.id)! })),
      model: { ...json.model, vocab, merges: reached.map(([left, right]) => `${left} ${right}`) },
    },
    kept: old,
  }
}

/** A piece, its characters, and what they are merged into before it is whole. */
function madeOnTheWay(piece: string, rank: ReadonlyMap<string, number>): Set<string> {
  let parts = [...piece]
  const made = new Set(parts)
  while (parts.length > 1) {
    const ranks = parts.slice(1).map((right, i) => rank.get(`${parts[i]} ${right}`) ?? Number.POSITIVE_INFINITY)
    const best = ranks.indexOf(Math.min(...ranks))
    if (ranks[best] === Number.POSITIVE_INFINITY) return new Set()
    parts = [...parts.slice(0, best), parts[best]! + parts[best + 1]!, ...parts.slice(best + 2)]
    made.add(parts[best]!)
  }
  return made
}
