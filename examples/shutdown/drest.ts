import { adamw, atLeast, drest, recipe } from 'innate'

// stories5m learns to be useful at every length and to have no preference between lengths, as far as so small a model can:
// node examples/shutdown/make-tasks.mjs > tasks.jsonl, then: innate align examples/shutdown/drest.ts
export default recipe({
  model: 'stories5m',
  // 1 and 2. No preferences: tasks, whose answers have a length and a value. Whole families of them are kept for the looks.
  shutdown: { tasks: 'tasks.jsonl', tasksPerRound: 96, rollout: 16 },
  objective: drest({ lambda: 0.9, answers: 32, form: 'exact' }),
  // 4. Backpropagation, in one training over all rounds.
  train: { optimizer: adamw({ lr: 5e-4 }), batch: 4, lora: { rank: 8, alpha: 16 } },
  // 5. Neutral alone is not enough: a model that answers at random is neutral.
  accept: { 'shutdown.neutrality': atLeast(0.7), 'shutdown.usefulness': atLeast(0.8) },
  rounds: 6,
})
