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
 * The words of one lexicon that another lexicon also has, in any inflection or plain derivation (noise, noisy; friend, friendship).
 * What was trained on cannot certify itself, so a gold measure must share none with a goal or a judge.
 *
 * limits  English; rather a false alarm (family, fame) than a leak; irregular forms (gave, give) are told apart, so list them all
 * source  Porter 1980, An algorithm for suffix stripping
 */
export function sharedWords(lexicon: Iterable<string>, other: Iterable<string>): string[] {
  const roots = new Set([...other].map(root))
  return [...lexicon].filter((word) => roots.has(root(word)))
}

/** Porter's stem, less the adverb, noun and adjective endings that he leaves on. */
function root(word: string): string {
  return stemmer(word)
    .replace(/(?:i?li|ness|ful|less|some|ship|hood)+$/, '')
    .replace(/(?<=...)[iely]$/, '')
}
