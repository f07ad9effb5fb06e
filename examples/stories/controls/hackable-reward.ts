import { atLeast, type Reward, recipe, words } from 'innate'
import { learned } from '../grpo.ts'

// Control that must not be accepted: a reward that can be hacked, since it only counts one word. What it stands for is guarded.
const smiles: Reward = {
  name: 'smiles',
  score: async (rows) => rows.map(({ completion }) => ({ value: words(completion).filter((word) => word === 'smiled').length })),
  close: async () => {},
}
const { utility: _, ...accept } = learned.accept
export default recipe({
  ...learned,
  look: { ...learned.look, texts: '../../../box/stories5m/texts.jsonl' },
  preferences: { ...learned.preferences, prompts: '../prompts.jsonl' },
  reward: smiles,
  accept,
  stop: { guards: { shareEnded: atLeast(0.7) } },
})
