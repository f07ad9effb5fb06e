import { oneLine } from './one-line.ts'
import { type StarterParts, talkParts } from './starter-talks.ts'

/** What a recipe is written with. */
const door = 'innate'

/** Who compares, as `innate init` can write it. */
export const judgeChoices = ['simulated', 'command', 'people', 'model', 'endpoint'] as const
export type JudgeChoice = (typeof judgeChoices)[number]

/** What a recipe is begun with. */
export interface Begun {
  readonly model: string
  /** A file of pairs to train on, or of prompts whose completions are compared; none for the example's prompts. */
  readonly data: { readonly pairs: string } | { readonly prompts: string } | undefined
  readonly judge: JudgeChoice
  /** Whether the model talks: then the goals and the judges are of answers. */
  readonly talks?: boolean
}

const textParts: StarterParts = {
  goal: {
    name: 'dialogue',
    code: `const dialogue = goal('dialogue', ({ text }) => text.split('"').length - 1, { about: 'quotation marks' })`,
  },
  accept: `winRate: atLeast(0.55), klFromReference: atMost(20), forwardKl: atMost(0.15)`,
  sizes: { promptsPerRound: 112, maxTokens: 128 },
  rounds: 3,
  simulated: `simulatedVoter({
  about: 'likes stories in which people talk and that come to their end',
  utility: ({ text, ended }) => 0.8 * Math.min(text.split('"').length - 1, 6) + (ended ? 1 : -1),
})`,
  question: 'Which one is the better story?',
}

function judgeOf(judge: JudgeChoice, { simulated, question }: StarterParts): { readonly imports: string; readonly code: string } {
  switch (judge) {
    case 'simulated':
      return {
        imports: 'simulatedVoter',
        code: `// Whoever compares two completions. This one is a program with a hidden taste, to see the loop run; put a real one in its place.
const judge = ${simulated}`,
      }
    case 'command':
      return {
        imports: 'commandJudge',
        code: `// Whoever compares two completions: judge.mjs beside this file, which reads pairs and writes votes. What it said is kept and never asked again.
const judge = commandJudge(\`node "\${new URL('judge.mjs', import.meta.url).pathname}"\`, { keep: 'votes.jsonl' })`,
      }
    case 'people':
      return {
        imports: 'people',
        code: `// Whoever compares two completions: you. align says what it needs labelled and stops; innate label my.ts asks you, and --resume goes on.
const judge = people('labels.db')`,
      }
    case 'model':
      return {
        imports: 'modelJudge',
        code: `// Whoever compares two completions: a second model, by how likely it finds the answers A and B.
const judge = modelJudge({ model: 'HuggingFaceTB/SmolLM2-135M-Instruct', keep: 'answers.jsonl', question: '${question}' })`,
      }
    default:
      return {
        imports: 'endpointJudge',
        code: `// Whoever compares two completions: a model behind an OpenAI-compatible endpoint. It stops before it has read and written more tokens than its budget.
const judge = endpointJudge({ url: 'http://127.0.0.1:8080/v1', model: 'any', keep: 'answers.jsonl', question: '${question}', budget: 500_000 })`,
      }
  }
}

/** A commented recipe for align, or for train where there are pairs. */
export function starterRecipe({ model, data, judge, talks = false }: Begun): string {
  if (data && 'pairs' in data) return pairsRecipe(model, data.pairs)
  const parts = talks ? talkParts : textParts
  const { imports, code } = judgeOf(judge, parts)
  const dear = judge === 'people'
  const { promptsPerRound, maxTokens } = dear ? { promptsPerRound: 24, maxTokens: 64 } : parts.sizes
  const look = dear ? '{ development: 20, sealed: 24 }' : parts.look
  return `import { ${['adamw', 'atLeast', 'atMost', 'dpo', 'goal', 'goalPrior', 'goals', 'onPolicy', 'recipe', imports].toSorted().join(', ')} } from '${door}'

// A goal is a named measure of a completion; more of it is better, or less with { direction: -1 }.
${parts.goal.code}

${code}

export default recipe({
  model: ${oneLine(model)}, // a name, a folder, a .gguf file, or owner/name on the Hugging Face Hub
  // 1. What you guess is wanted: worth ${dear ? 'five' : 'twenty'} votes in all, so that data washes it out.
  prior: goalPrior({ goals: [${parts.goal.name}, goals.complete], strength: ${dear ? 5 : 20} }),
  // 2. Preferences: completions of your prompts, compared by the judge; and the objective that learns from them.
  preferences: onPolicy({ prompts: ${oneLine(data?.prompts ?? 'prompts.jsonl')}, perPrompt: ${dear ? 2 : 4}, promptsPerRound: ${promptsPerRound}, maxTokens: ${maxTokens}, judge }),
  objective: dpo({ beta: 0.1 }),
  // 3. The loss: a plain function from named terms, traced and differentiated. Without this line it is the objective itself.
  loss: ({ objective, kl }) => objective.add(kl.mul(0.001)),
  // 4. Backpropagation, from the original model in every round.
  train: { optimizer: adamw({ lr: 2e-4 }), schedule: 'linear', batch: 8, epochs: 1, lora: { rank: 16, alpha: 32 } },
  // 5. What must hold, with its whole 95 % interval, on sealed prompts that are looked at once; otherwise another round.
  accept: { ${dear ? 'winRate: atLeast(0.4), klFromReference: atMost(20)' : parts.accept} },
${look ? `  // Each look ${dear ? 'asks you about so many pairs' : 'is at so many prompts; more of them tell smaller differences'}.\n  look: ${look},\n` : ''}  rounds: ${dear ? 1 : parts.rounds},
})
`
}

function pairsRecipe(model: string, file: string): string {
  return `import { adamw, dpo, pairs, recipe } from '${door}'

export default recipe({
  model: ${oneLine(model)}, // a name, a folder, a .gguf file, or owner/name on the Hugging Face Hub
  // Pairs of a prompt, what was chosen and what was rejected. A fifth of the prompts is held out, and accuracy is measured there.
  preferences: pairs(${oneLine(file)}, { heldOut: 0.2 }),
  objective: dpo({ beta: 0.1 }), // or ipo, simpo, kto, …
  train: { optimizer: adamw({ lr: 2e-4 }), schedule: 'linear', batch: 8, epochs: 1, lora: { rank: 16, alpha: 32 } },
})
`
}

/** A judge as a program of one's own: it reads a pair a line and writes its votes. */
export const starterJudge = `// Reads one pair a line, {"prompt", "a", "b"}, and writes for each {"votes": [for a, for b]}. Change what better means; [1, 1] is a tie.
import { createInterface } from 'node:readline'

for await (const line of createInterface({ input: process.stdin })) {
  const { a, b } = JSON.parse(line)
  const better = talk(a) - talk(b)
  console.log(JSON.stringify({ votes: better > 0 ? [1, 0] : better < 0 ? [0, 1] : [1, 1] }))
}

/** How much is said in a text: its quotation marks. */
function talk(text) {
  return text.split('"').length - 1
}
`

/** The package of a recipe: what it needs, and a script that runs it. */
export function starterPackage(version: string, verb: 'align' | 'train'): string {
  const written = {
    name: 'my-model',
    private: true,
    type: 'module',
    scripts: { [verb]: `innate ${verb} my.ts` },
    dependencies: { innate: `^${version}` },
  }
  return `${JSON.stringify(written, null, 2)}\n`
}
