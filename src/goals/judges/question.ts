import type { Choice } from '../../labels/index.ts'
import type { JudgedPair } from './judge.ts'

/** What is asked of a model about a pair; `about` says what makes a completion better. */
export function questionText({ a, b }: JudgedPair, about: string): string {
  return `Two completions go on from the same beginning. ${about}

Beginning:
${a.prompt}

Completion A:
${a.text.trim()}

Completion B:
${b.text.trim()}

Answer with one word: A if completion A is better, B if completion B is better, tie if they are equally good, none if you have no preference.`
}

/** What makes a completion better, where nobody says it. */
export const usualQuestion = 'Which one is better?'

/** What is added when an answer was none of the four. */
export const onceMore = 'Your answer must be exactly one of these words: A, B, tie, none. Write that word and nothing else.'

/** The answer that a text is: one of the four words alone, quoted or emphasised or after “Answer:” or not; undefined for anything else. */
export function answerIn(text: string): Choice | undefined {
  const word = text
    .trim()
    .replace(/^(?:the )?(?:answer|better completion)(?: is)?\s*:?\s*/i, '')
    .replace(/^completion\s+/i, '')
    .replace(/^[\s"'`*_([{]+|[\s"'`*_)\]}.!]+$/g, '')
  if (word === 'A' || word === 'B') return word === 'A' ? 'a' : 'b'
  return /^tie$/i.test(word) ? 'tie' : /^none$/i.test(word) ? 'none' : undefined
}
