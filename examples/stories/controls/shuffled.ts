import { recipe, shuffled } from 'innate'
import { stories } from '../recipe.ts'
import { voter } from '../voter.ts'

// Control that must fail: the voter's votes change sides at random, and the prior has no say (κ = 0). There is nothing to learn.
const { utility: _, ...accept } = stories.accept
export default recipe({
  ...stories,
  look: { ...stories.look, texts: '../../../box/stories5m/texts.jsonl' },
  kappa: 0,
  preferences: { ...stories.preferences, prompts: '../prompts.jsonl', judge: shuffled(voter) },
  accept,
})
