import { goal, type Sample } from './goal.ts'
import { words } from './words.ts'

/**
 * Share of a completion's word trigrams that it has said before: 1 − distinct/all; 0 for fewer than three words.
 *
 * source  Welleck et al. 2019, arXiv:1908.04319 (seq-rep-n, here n = 3 over words)
 */
export function repetition({ text }: Sample): number {
  const all = words(text)
  const trigrams = all.slice(2).map((word, i) => `${all[i]} ${all[i + 1]} ${word}`)
  return trigrams.length === 0 ? 0 : 1 - new Set(trigrams).size / trigrams.length
}

export const fluent = goal('fluent', repetition, {
  about: 'does not repeat itself: share of repeated trigrams, less is better',
  direction: -1,
  source: 'Welleck et al. 2019, arXiv:1908.04319 (seq-rep-3)',
  known: [
    { when: { text: 'One day a bear saw a bee.' }, value: 0, why: 'every trigram is new' },
    { when: { text: 'he ran and he ran and he ran' }, value: 0.5, why: 'six trigrams, three of them distinct' },
    { when: { text: 'no no' }, value: 0, why: 'too short for a trigram' },
  ],
})
