import { recipe, shuffled } from 'innate'
import { stories } from '../recipe.ts'
import { voter } from '../voter.ts'

// Control: shuffled votes, but the prior speaks with κ = 5 votes a pair. Whatever is learned, the report must credit it to the prior.
const { utility: _, ...accept } = stories.accept
export default recipe({
  ...stories,
  look: { ...stories.look, texts: '../../../box/stories5m/texts.jsonl' },
  kappa: 5,
  preferences: { ...stories.preferences, prompts: '../prompts.jsonl', judge: shuffled(voter) },
  accept,
  rounds: 1,
})
