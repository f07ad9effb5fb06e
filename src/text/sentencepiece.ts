/** A piece of a SentencePiece vocabulary, at the place of its id. */
export interface Piece {
  readonly text: string
  readonly score: number
  /** Text takes part in merges; a byte stands for itself where no text does; a special token is only ever written as such. */
  readonly kind: 'text' | 'byte' | 'unknown' | 'special' | 'added'
}

export interface SentencePieceOptions {
  readonly unknown: string
  /** A token that the tokenizer puts in front. */
  readonly begin?: string
  /** A token that it puts at the end. */
  readonly end?: string
  /** A space is put in front of the text. */
  readonly prefixSpace: boolean
}

/** SentencePiece's BPE as tokenizer.json says it: unknown characters fall back to bytes, and merges go by the score of what they make. */
export function sentencePieceJson(pieces: readonly Piece[], { unknown, begin, end, prefixSpace }: SentencePieceOptions) {
  const space = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  const ids = new Map(pieces.map(({ text }, id) => [text, id]))
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: pieces.flatMap(({ text, kind }, id) =>
      kind === 'text' || kind === 'byte' ? [] : [addedToken(text, id, kind !== 'added')],
    ),
    normalizer: prefixSpace ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, space] } : space,
    pre_tokenizer: null,
    post_processor: frame((text) => ids.get(text)!, begin, end),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefixSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map(({ text }, id) => [text, id])),
      merges: mergesOf(pieces),
    },
  }
}

/** Every way to make a piece of two, in the order in which SentencePiece would make it. */
function mergesOf(pieces: readonly Piece[]): string[] {
  const texts = pieces.filter(({ kind }) => kind === 'text')
  const known = new Set(texts.map(({ text }) => text))
  const merges = texts.flatMap(({ text, score }) => {
    const characters = [...text]
    return characters.slice(1).flatMap((_, cut) => {
      const left = characters.slice(0, cut + 1).join('')
      const right = characters.slice(cut + 1).join('')
      return known.has(left) && known.has(right) ? [{ left, right, score }] : []
    })
  })
  // Of equal scores SentencePiece takes the leftmost, so runs of spaces grow from the left: the longest left side first.
  merges.sort((a, b) => b.score - a.score || b.left.length - a.left.length || b.right.length - a.right.length)
  return merges.map(({ left, right }) => `${left} ${right}`)
}

/** A token of tokenizer.json that is found in a text before anything else is. */
export function addedToken(content: string, id: number, special: boolean) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }
}

/** A post-processor that puts one token in front of a text, and one after it; none where there is neither. */
export function frame(idOf: (text: string) => number, begin?: string, end?: string) {
  if (begin === undefined && end === undefined) return null
  const token = (text: string | undefined, type: number) => (text === undefined ? [] : [{ SpecialToken: { id: text, type_id: type } }])
  const around = (id: 'A' | 'B', type: number) => [...token(begin, type), { Sequence: { id, type_id: type } }, ...token(end, type)]
  const used = [begin, end].filter((text) => text !== undefined)
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(used.map((text) => [text, { id: text, ids: [idOf(text)], tokens: [text] }])),
  }
}
