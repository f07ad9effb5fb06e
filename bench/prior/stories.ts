import { recipe, simulatedVoter } from 'innate'
import { stories } from '../../examples/stories/recipe.ts'
import { prosocial, utility } from '../../examples/stories/voter.ts'

// npm start's recipe, short of votes: one on each pair instead of nine, of a third of the prompts a round.
export const few = {
  ...stories,
  preferences: {
    ...stories.preferences,
    prompts: '../../examples/stories/prompts.jsonl',
    promptsPerRound: 32,
    judge: simulatedVoter({ about: 'the voter of npm start, who votes once', utility, votesPerPair: 1, words: prosocial }),
  },
  train: { ...stories.train, batch: 4, epochs: 2 },
  look: { ...stories.look, texts: '../../box/stories5m/texts.jsonl' },
  inside: false as const,
  rounds: 4,
}

export default recipe(few)
