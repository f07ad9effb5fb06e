import { goal, type Sample } from './goal.ts'

/**
 * 1 when the model ended by itself and on a finished sentence, else 0.
 *
 * limits  a sentence counts as finished by its last mark (. ! ? …, then closing quotes or brackets)
 * source  the missing-EOS penalty of TRL's online trainers, made a measure
 */
export function endsProperly({ text, ended }: Sample): number {
  return ended && /[.!?…]["'”’»)\]]*\s*$/u.test(text) ? 1 : 0
}

export const complete = goal('complete', endsProperly, {
  about: 'ends by itself, on a finished sentence',
  range: [0, 1],
  source: "the missing-EOS penalty of TRL's online trainers (huggingface/trl @ f2cd577)",
  known: [
    { when: { text: 'They went home.\n', ended: true }, value: 1, why: 'an end token after a full stop' },
    { when: { text: '"Good night!"', ended: true }, value: 1, why: 'closing quotes may follow the mark' },
    { when: { text: 'They went home.', ended: false }, value: 0, why: 'cut at the limit' },
    { when: { text: 'They went', ended: true }, value: 0, why: 'stopped in mid-sentence' },
  ],
})
