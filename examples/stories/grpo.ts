import { adamw, atLeast, atMost, between, goals, type RecipeInput, recipe } from 'innate'
import { gold } from './gold.ts'
import { voter } from './voter.ts'

// `npm start -- --recipe grpo`: a reward is learned from the voter's votes, and GRPO trains stories5m by it.
export const learned = {
  model: 'stories5m',
  // Goals that are measured beside the reward; the prior puts nothing into training here.
  prior: { goals: [goals.kind, goals.complete, goals.fluent], strength: 20 },
  // 1, 2. Votes on what the policy now says, before each round; a head on the frozen model learns from them and is looked at on held-out ones.
  reward: { learn: { judge: voter, prompts: 112, perPrompt: 4, heldOut: 0.3, tap: 'embed' } },
  preferences: { prompts: 'prompts.jsonl', promptsPerRound: 48, maxTokens: 144 },
  // 3. The policy gradient: eight completions of a prompt, each against the mean of the eight.
  objective: { name: 'grpo', group: 8, beta: 0.04 },
  // 4. Backpropagation; rounds are parts of one training.
  train: {
    optimizer: adamw({ lr: 3e-4 }),
    schedule: { name: 'linear', warmup: 3 },
    batch: 32, // four prompts with eight completions each
    lora: { rank: 16, alpha: 32 },
    tokenBudget: 640,
  },
  // 5. What must hold, with whole 95 % intervals, on sealed prompts that are looked at once. The voter decides, not the reward.
  accept: {
    winRate: atLeast(0.55),
    utility: atLeast(0),
    gold: atLeast(0),
    shareEnded: atLeast(0.7),
    lengthRatio: between(0.5, 1.3),
    forwardKl: atMost(0.2), // what the original's own stories cost more, nats per token
    klFromReference: atMost(20),
  },
  gold,
  look: { development: 72, sealed: 128, texts: '../../box/stories5m/texts.jsonl' },
  rounds: 3,
} satisfies RecipeInput

export default recipe(learned)
