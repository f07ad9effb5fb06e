// Innate's own GRPO as a server: one JSON command a line in, one answer a line out. The run goes through `align`, and waits for commands where its
// completions are scored; a step is from there to the next time, so scoring, training, and the next sampling.
import { createInterface } from 'node:readline'
import { align } from '../dist/align/index.js'
import { recipe } from '../dist/recipe/index.js'
import { peakMemoryMB } from './serve.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { model, prompts, run, perStep, group, longest, lr, beta } = await next()

let [left, started, rewards, seconds] = [0, 0, [], 0]
const reward = {
  name: 'share of e',
  async score(rows) {
    if (left > 0 && --left === 0) {
      seconds = (performance.now() - started) / 1000
      answer({ seconds, rewards })
    } else if (left === 0) answer({ ready: true })
    if (left === 0) {
      const { count } = await next()
      left = count
      rewards = []
      started = performance.now()
    }
    const scores = rows.map(({ completion }) => ({ value: (10 * (completion.match(/e/g)?.length ?? 0)) / Math.max(1, completion.length) }))
    rewards.push(scores.reduce((sum, { value }) => sum + value, 0) / scores.length)
    return scores
  },
  close: async () => {},
}
await align(
  recipe({
    ...{ model, run, reward, inside: false },
    preferences: { prompts, promptsPerRound: 100_000, maxTokens: longest },
    objective: { name: 'grpo', group, beta, epsilon: 0.2 },
    train: { batch: perStep * group, epochs: 1, optimizer: { name: 'adamw', lr, weightDecay: 0 } },
    accept: { shareEnded: { atLeast: 0.5 } },
    look: { development: 8, sealed: 8 },
    rounds: 1000,
  }),
)

/** The next command but `peak`, which is answered; the process ends where there is none. */
async function next() {
  for (;;) {
    const { value, done } = await lines.next()
    if (done) process.exit(0)
    const command = JSON.parse(value)
    if (command.cmd !== 'peak') return command
    answer({ peakMemoryMB: peakMemoryMB() })
  }
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
