import { goal, type Sample } from './goal.ts'
import { words } from './words.ts'

/** Words that say little about what a text is about; those of one or two letters are left out anyway. */
const functionWords = new Set(
  (
    'the and but for nor not yet was were are been being has had have having did does doing done will would can could may might must ' +
    'shall should she her hers him his they them their you your our its who whom whose which what when where why how that this these ' +
    'those there here with without from into onto over under about after before again then than too very just only also all any some ' +
    'each every one once upon time day named little there said saw went got get'
  ).split(' '),
)

/**
 * Share of the prompt's content words (names among them) that the completion takes up again; 0 for a prompt without any.
 *
 * limits  exact words, English function words left out
 * source  lexical cohesion by repetition: Halliday & Hasan 1976; Barzilay & Lapata 2008 (entity grid), here as one share
 */
export function followsPrompt({ prompt, text }: Sample): number {
  const asked = new Set(words(prompt).filter((word) => word.length > 2 && !functionWords.has(word)))
  if (asked.size === 0) return 0
  const said = new Set(words(text))
  return [...asked].filter((word) => said.has(word)).length / asked.size
}

export const onPrompt = goal('onPrompt', followsPrompt, {
  about: "stays with the prompt: share of the prompt's names and content words taken up again",
  source: 'Halliday & Hasan 1976, lexical cohesion; Barzilay & Lapata 2008, entity grid',
  known: [
    { when: { prompt: 'Lily had a red ball.', text: 'The ball was red. Lily smiled.' }, value: 1, why: 'Lily, red and ball all return' },
    { when: { prompt: 'Lily had a red ball.', text: 'A dog barked at the ball.' }, value: 1 / 3, why: 'only ball returns' },
    { when: { prompt: 'Once upon a time', text: 'Once upon a time' }, value: 0, why: 'nothing to take up' },
  ],
})
