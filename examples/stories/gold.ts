import { goal, type Sample, words } from 'innate'

const warm = new Set(
  (
    'together other others both everyone everybody always gentle gently cuddle cuddled cuddling snuggled giggled ' +
    'brought bring offered teach teaches taught present presents treat treats bandage wrapped team neighbor neighbors'
  ).split(' '),
)
const rough = new Set('away gone loud loudly shouted shouting yelled grabbed hit hitting threw chased knocked bit bite'.split(' '))

/** Warm words (togetherness, gentleness, giving) less rough ones (noise, force, loss), as a share of all words. */
export function warmth({ text }: Sample): number {
  const all = words(text)
  const score = all.reduce((sum, word) => sum + (warm.has(word) ? 1 : 0) - (rough.has(word) ? 1 : 0), 0)
  return all.length === 0 ? 0 : score / all.length
}

/** The gold measure: it shares no word, in any inflection, with a goal's lexicon or the voter's. Nothing is trained on it. */
export const gold = goal('warmth', warmth, {
  about: 'togetherness and gentleness rather than noise and force: warm less rough words, per word',
  source: 'words outside every other lexicon here that go with prosocial ones in stories of stories15m',
  words: new Set([...warm, ...rough]),
})
