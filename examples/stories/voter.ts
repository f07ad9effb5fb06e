import { endsProperly, type Sample, simulatedVoter, words } from 'innate'

/** What the voter likes to read: people being good to each other, in every form the stories use. */
export const prosocial = new Set(
  (
    'help helps helped helping helpful share shares shared sharing hug hugs hugged hugging thank thanks thanked thanking thankful ' +
    'kind kindly kinder kindness forgive forgave forgiving comfort comforted comforting care cares cared caring ' +
    'give gives gave given giving sorry apologize apologized promise promised love loves loved loving ' +
    'friend friends friendly friendship smile smiles smiled smiling'
  ).split(' '),
)

/** Share of the completion's words that are prosocial. */
export function prosociality({ text }: Sample): number {
  const all = words(text)
  return all.length === 0 ? 0 : all.filter((word) => prosocial.has(word)).length / all.length
}

/**
 * The voter's hidden utility, which differs from the prior's mean: prosocial acts above all, instead of valence; a proper ending;
 * mildly brief; and no care for the prompt or for repetition.
 *
 * units   log-odds: 1 for three more prosocial words in two hundred (the model's own stories differ by more), ¾ for the ending,
 *         −¼ for a hundred tokens
 */
export function utility(sample: Sample): number {
  return prosociality(sample) / 0.015 + 0.75 * endsProperly(sample) - sample.tokens / 400
}

export const voter = simulatedVoter({
  about: 'likes stories in which people are good to each other, that end properly and are not too long',
  utility,
  votesPerPair: 9,
  words: prosocial,
})
