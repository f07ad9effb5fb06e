import { goal } from './goal.ts'

/** The number of tokens. Longer is so often voted better that it belongs among the goals one can hold the others against. */
export const length = goal('length', (sample) => sample.tokens, {
  about: 'tokens in the completion, more is better; turn the direction round to ask for brevity',
  source: 'Singhal et al. 2023, arXiv:2310.03716 (length and RLHF)',
  known: [{ when: { tokens: 37 }, value: 37, why: 'tokens as they were counted' }],
})
