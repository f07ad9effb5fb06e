import type { Vocabulary } from '../src/preferences/tokenise.ts'

/**
 * A vocabulary small enough to check by eye, for tests: id 1 begins every text, id 2 ends it, every character is its code
 * (beyond Latin 1 that of `?`), and `merges` are pieces that swallow two or more characters greedily.
 */
export function fakeVocabulary(merges: readonly string[] = [], contextLength = 64): Vocabulary {
  const base = 256
  const latin = (code: number) => (code < base ? code : 63)
  const piece = (id: number) =>
    id === 1 ? '<s>' : id === 2 ? '</s>' : id < base ? String.fromCodePoint(id) : (merges[id - base] ?? `<id ${id}>`)
  return {
    tokenizer: {
      encode(text, { special = true } = {}) {
        const ids = special ? [1] : []
        for (let at = 0; at < text.length; ) {
          const written = [1, 2].find((id) => text.startsWith(piece(id), at))
          const merge = merges.findIndex((m) => text.startsWith(m, at))
          ids.push(written ?? (merge < 0 ? latin(text.charCodeAt(at)) : base + merge))
          at += written ? piece(written).length : merge < 0 ? 1 : merges[merge]!.length
        }
        return ids
      },
      decode: (ids) =>
        ids
          .filter((id) => id > 2)
          .map(piece)
          .join(''),
      pieces: (ids) => ids.map(piece),
    },
    eosIds: [2],
    config: { vocabSize: base + merges.length, contextLength },
  }
}
