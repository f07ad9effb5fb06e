import { stemmer } from 'stemmer'
import { goal, type Sample } from './goal.ts'
import { words } from './words.ts'

/**
 * Share of the prompt's words that the completion says, in any inflection, each as often as the prompt has it: the recall of ROUGE-1 with the
 * prompt as the reference; 0 for a prompt without words. onPrompt asks for content words alone, and for each only once.
 *
 * limits  English stems
 * source  Lin 2004, ROUGE: a package for automatic evaluation of summaries, equation 1
 */
export function promptRecall({ prompt, text }: Sample): number {
  const asked = words(prompt)
  const left = new Map<string, number>()
  for (const word of words(text)) left.set(stemmer(word), (left.get(stemmer(word)) ?? 0) + 1)
  let said = 0
  for (const word of asked) {
    const times = left.get(stemmer(word)) ?? 0
    if (times > 0) said++
    left.set(stemmer(word), times - 1)
  }
  return asked.length === 0 ? 0 : said / asked.length
}

export const coverage = goal('coverage', promptRecall, {
  about: "covers the prompt: share of the prompt's words that are said, by their stems (ROUGE-1 recall)",
  range: [0, 1],
  source: 'Lin 2004, ROUGE: a package for automatic evaluation of summaries, equation 1',
  known: [
    {
      when: { prompt: 'The dogs ran home.', text: 'A dog was running to the home.' },
      value: 3 / 4,
      why: 'ran is irregular, the rest returns',
    },
    { when: { prompt: 'red red ball', text: 'a red ball' }, value: 2 / 3, why: 'red is asked for twice and said once' },
    { when: { prompt: '', text: 'anything' }, value: 0, why: 'nothing to cover' },
  ],
})
