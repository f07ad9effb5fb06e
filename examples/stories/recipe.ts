import { adamw, atLeast, atMost, between, dpo, goalPrior, goals, onPolicy, type RecipeInput, recipe } from 'innate'
import { gold } from './gold.ts'
import { voter } from './voter.ts'

// `npm start`: stories5m, the little model in the box, learns to tell stories that a simulated voter likes better.
export const stories = {
  model: 'stories5m',
  // 1. A weak prior over goals: worth twenty votes in all. The voter's taste is another one, and hidden.
  prior: goalPrior({ goals: [goals.kind, goals.complete, goals.fluent, goals.onPrompt], strength: 20 }),
  // 2. Preferences on the model's own completions, and the objective that learns from them.
  preferences: onPolicy({
    prompts: 'prompts.jsonl',
    perPrompt: 4,
    compare: 'all',
    trainOn: 'extremes',
    promptsPerRound: 96,
    rollout: 32, // prompts sampled at a time, from what was trained on those before
    maxTokens: 144,
    judge: voter,
  }),
  objective: dpo({ beta: 0.1 }),
  // 3. The objective's own loss. A custom one: loss: ({ objective, kl }) => objective.add(kl.mul(0.001)),
  // 4. Backpropagation, from the original model in every round.
  train: {
    optimizer: adamw({ lr: 7e-4 }),
    schedule: { name: 'linear', warmup: 5 },
    batch: 8, // the best and the worst completion of eight prompts
    batchGrowth: 1, // in later rounds of twice and three times as many, so that all rounds take as many steps
    epochs: 1,
    lora: { rank: 16, alpha: 32 },
    tokenBudget: 640, // two prompts with both at a time: memory for speed
  },
  // 5. What must hold, with whole 95 % intervals, on sealed prompts that are looked at once.
  accept: {
    winRate: atLeast(0.6), //       the voter prefers it to the reference
    utility: atLeast(0), //          what the voter really wants rose (known, because the voter is simulated)
    gold: atLeast(0), //             and so did a measure that nothing was trained on
    shareEnded: atLeast(0.7),
    lengthRatio: between(0.6, 1.3),
    perplexityRise: atMost(0.2), //  on stories by another model
    klFromReference: atMost(20), //  nats per completion
  },
  gold,
  look: { development: 72, sealed: 128, texts: '../../box/stories5m/texts.jsonl' },
  rounds: 3,
} satisfies RecipeInput

export default recipe(stories)
