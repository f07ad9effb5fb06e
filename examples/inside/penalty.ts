import { adamw, atLeast, atMost, dpo, goalPrior, goals, judgeByGoals, mean, onPolicy, recipe } from 'innate'
import { directionPenalty, loadProbes, refit } from 'innate/whitebox'

// A direction as a penalty on the policy's own activations: the probe's of goal.ts, whose rows and file it needs.
const choice = { tap: 'blocks.3.out', label: 'kind' }
const { probes } = await loadProbes('probes.json')
const penalty = directionPenalty(choice.tap, probes[0]!.weight[0]!)

export default recipe({
  model: 'stories5m',
  prior: goalPrior({ goals: [goals.kind], strength: 5 }),
  preferences: onPolicy({
    prompts: '../stories/prompts.jsonl',
    perPrompt: 4,
    promptsPerRound: 64,
    maxTokens: 32,
    judge: judgeByGoals({ kind: 2 }),
  }),
  objective: dpo({ beta: 0.1 }),
  loss({ objective, perExample }) {
    const along = mean(perExample(penalty, 'all'))
    return { loss: objective.add(along.mul(50)), terms: { along } }
  },
  train: { optimizer: adamw({ lr: 1e-3 }), batch: 8, lora: { rank: 16, alpha: 32 } },
  accept: { kind: atLeast(0.2), klFromReference: atMost(20) },
  look: { development: 24, sealed: 64 },
  rounds: 1,
  inside: [refit('probes.json', { ...choice, rows: 'rows.jsonl' })],
})
