import { goal, goalPrior, recipe } from 'innate'
import { stories } from '../recipe.ts'

// Control: the prior states the opposite of every goal. The votes contradict it, and the report must say that it fights the data.
const flipped = stories.prior.goals.map(({ name, measure, direction, about, source }) =>
  goal(name, measure, { about, source, direction: direction === 1 ? -1 : 1 }),
)
export default recipe({
  ...stories,
  look: { ...stories.look, texts: '../../../box/stories5m/texts.jsonl' },
  prior: goalPrior({ goals: flipped, strength: 20 }),
  preferences: { ...stories.preferences, prompts: '../prompts.jsonl' },
  rounds: 1,
})
