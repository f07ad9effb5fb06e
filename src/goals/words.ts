import { stemmer } from 'stemmer'

/** The words of a text, lower-case, apostrophes kept inside words: `Don't!` is `don't`. */
export function words(text: string): string[] {
  return (
    text
      .toLowerCase()
      .replaceAll('’', "'")
      .match(/\p{L}+(?:'\p{L}+)*/gu) ?? []
  )
}

/**
 * The words of one lexicon that another lexicon also has, in any inflection.
 * What was trained on cannot certify itself, so a gold measure must share none with a goal or a judge.
 *
 * limits  inflections by Porter stem, and a stem of four letters or more also claims every longer stem that begins with it
 *         (happy: happily, heart: heartfelt): rather a false alarm than a leak. Irregular forms (gave, give) must be listed
 * source  Porter 1980, An algorithm for suffix stripping
 */
export function sharedWords(lexicon: Iterable<string>, other: Iterable<string>): string[] {
  const stems = new Set([...other].map(stemmer))
  const beginnings = new Set([...stems].flatMap((stem) => prefixes(stem)))
  return [...lexicon].filter((word) => {
    const stem = stemmer(word)
    return stems.has(stem) || (stem.length >= 4 && beginnings.has(stem)) || prefixes(stem).some((prefix) => stems.has(prefix))
  })
}

/** The beginnings of a stem that are long enough to carry its meaning. */
function prefixes(stem: string): string[] {
  return Array.from({ length: Math.max(0, stem.length - 4) }, (_, i) => stem.slice(0, i + 4))
}
