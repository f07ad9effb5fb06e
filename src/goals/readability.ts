import { goal, type Sample } from './goal.ts'

/**
 * The Automated Readability Index: the school year in the United States that reads a text without trouble,
 *
 *     4.71 · letters/words + 0.5 · words/sentences − 21.43
 *
 * 0 where there is no word.
 *
 * units   school years; below 0 for texts of few and short words
 * limits  letters and digits count as letters; a last piece without a mark counts as a sentence; the formula was fitted to English
 * source  Smith and Senter 1967, Automated Readability Index, AMRL-TR-66-220
 */
export function readingYears({ text }: Sample): number {
  const words = text.match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu) ?? []
  if (words.length === 0) return 0
  const letters = words.reduce((sum, word) => sum + word.replace(/['’-]/g, '').length, 0)
  return 4.71 * (letters / words.length) + 0.5 * (words.length / sentencesOf(text)) - 21.43
}

/** How many sentences a text has: marks at the end of one, in a row once, and a last piece that has none. */
function sentencesOf(text: string): number {
  const ends = [...text.matchAll(/[.!?…](?=["'”’»)\]\s]|$)/gu)]
  const rest = text.slice((ends.at(-1)?.index ?? -1) + 1)
  return ends.length + (/[\p{L}\p{N}]/u.test(rest) ? 1 : 0)
}

export const readability = goal('readability', readingYears, {
  about: 'easy to read: school years by the Automated Readability Index, less is easier',
  direction: -1,
  source: 'Smith and Senter 1967, Automated Readability Index, AMRL-TR-66-220',
  known: [
    { when: { text: 'The cat sat.' }, value: 4.71 * 3 + 0.5 * 3 - 21.43, why: 'nine letters in three words, one sentence' },
    {
      when: { text: 'I ran. "Stop!" she said' },
      value: 4.71 * (15 / 5) + 0.5 * (5 / 3) - 21.43,
      why: 'three sentences, the last unfinished',
    },
    {
      when: { text: "Don't go... 3.5 miles" },
      value: 4.71 * (13 / 5) + 0.5 * (5 / 2) - 21.43,
      why: 'an apostrophe is no letter, a decimal point no end',
    },
    { when: { text: '…' }, value: 0, why: 'no word' },
  ],
})
