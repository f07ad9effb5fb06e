import { atLeast, recipe, simulatedVoter } from 'innate'
import { stories } from '../recipe.ts'

// Control that must be rejected: a judge that can be gamed, since it only counts tokens. The share of stories that end is guarded.
const judge = simulatedVoter({ about: 'likes long completions, whatever they say', utility: ({ tokens }) => tokens / 10, votesPerPair: 5 })
const { lengthRatio: _, ...accept } = stories.accept
export default recipe({
  ...stories,
  look: { ...stories.look, texts: '../../../box/stories5m/texts.jsonl' },
  preferences: { ...stories.preferences, prompts: '../prompts.jsonl', judge },
  accept,
  stop: { guards: { shareEnded: atLeast(0.7) } },
})
