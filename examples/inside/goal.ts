import { adamw, atLeast, atMost, dpo, goalPrior, goals, judgeByGoals, onPolicy, probeGoal, recipe } from 'innate'
import { refit } from 'innate/whitebox'

// A probe as a goal: what the frozen reference holds of a finished story, read for one label. First
//   node examples/inside/make-rows.mjs > rows.jsonl
//   innate read probe --model stories5m --rows rows.jsonl --tap blocks.3.out --positions mean --to probes.json
const choice = { tap: 'blocks.3.out', label: 'kind' }

export default recipe({
  model: 'stories5m',
  prior: goalPrior({ goals: [probeGoal('probes.json', choice)], strength: 5 }),
  preferences: onPolicy({
    prompts: '../stories/prompts.jsonl',
    perPrompt: 4,
    promptsPerRound: 64,
    maxTokens: 32,
    judge: judgeByGoals({ probe: 2 }),
  }),
  objective: dpo({ beta: 0.1 }),
  train: { optimizer: adamw({ lr: 1e-3 }), batch: 8, lora: { rank: 16, alpha: 32 } },
  // Nothing is trained on the lexicon that the probe's labels are from: whether the stories became kinder is for it to say.
  gold: goals.kind,
  accept: { probe: atLeast(0.2), klFromReference: atMost(20) },
  look: { development: 24, sealed: 64 },
  rounds: 1,
  inside: [refit('probes.json', { ...choice, rows: 'rows.jsonl' })],
})
