import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adamw, align, atLeast, atMost, dpo, goal, goalPrior, onPolicy, recipe, simulatedVoter } from 'innate'

// The five steps on a model so small that its words are noise: it has one thing to learn, to write vowels.
const vowels = goal('vowels', ({ text }) => text.split(/[aeiou]/).length - 1, { about: 'vowels' })
const letters = [...'abcdefghijklmnopqrstuvwxyz']

const verdict = await align(
  recipe({
    model: 'fixtures/llama-tiny',
    prior: goalPrior({ goals: [vowels], strength: 20 }), // 1
    preferences: onPolicy({
      prompts: letters.flatMap((a) => letters.map((b) => `${a} ${b}`)),
      promptsPerRound: 96,
      maxTokens: 16,
      judge: simulatedVoter({ about: 'counts vowels', utility: vowels.measure, votesPerPair: 3 }),
    }),
    objective: dpo({ beta: 0.1 }), // 2, 3
    train: { optimizer: adamw({ lr: 2e-3 }) }, // 4
    accept: { winRate: atLeast(0.6), klFromReference: atMost(20) }, // 5
    look: { development: 64, sealed: 128 },
    run: join(await mkdtemp(join(tmpdir(), 'innate-')), 'run'),
  }),
)

export const result = verdict.verdict
console.log(verdict.verdict)
for (const { name, met, bound } of verdict.criteria) console.log(met ? '✓' : '✗', name, JSON.stringify(bound))
