import { adamw, atLeast, atMost, dpo, goal, goalPrior, goals, onPolicy, recipe, simulatedVoter } from 'innate'

// A goal is a named measure of a completion; more of it is better, or less with { direction: -1 }.
const dialogue = goal('dialogue', ({ text }) => text.split('"').length - 1, { about: 'quotation marks' })

// Whoever compares two completions. This one is a program with a hidden taste, to see the loop run;
// a real one is commandJudge('node judge.mjs', { keep: 'votes.jsonl' }), which answers [1, 1] where it can not tell.
const judge = simulatedVoter({
  about: 'likes stories in which people talk and that come to their end',
  utility: ({ text, ended }) => 0.8 * Math.min(text.split('"').length - 1, 6) + (ended ? 1 : -1),
})

export default recipe({
  model: 'stories5m', // a name, a folder, a .gguf file, or owner/name on the Hugging Face Hub
  // 1. What you guess is wanted: worth twenty votes in all, so that data washes it out.
  prior: goalPrior({ goals: [dialogue, goals.complete, goals.fluent], strength: 20 }),
  // 2. Preferences: completions of your prompts, compared by the judge; and the objective that learns from them.
  preferences: onPolicy({ prompts: 'prompts.jsonl', perPrompt: 4, promptsPerRound: 112, maxTokens: 128, judge }),
  objective: dpo({ beta: 0.1 }),
  // 3. The loss: a plain function from named terms, traced and differentiated. Without this line it is the objective itself.
  loss: ({ objective, kl }) => objective.add(kl.mul(0.001)),
  // 4. Backpropagation, from the original model in every round.
  train: { optimizer: adamw({ lr: 2e-4 }), schedule: 'linear', batch: 8, epochs: 1, lora: { rank: 16, alpha: 32 } },
  // 5. What must hold, with its whole 95 % interval, on sealed prompts that are looked at once; otherwise another round.
  accept: { winRate: atLeast(0.55), klFromReference: atMost(20), forwardKl: atMost(0.15) },
  rounds: 3,
})
