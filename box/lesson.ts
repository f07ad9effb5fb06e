import { existsSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { distil, type Example, nextToken } from 'innate/objectives'
import { type Policy, textTree } from 'innate/policy'
import { random } from 'innate/random'
import { adamw, scheduleFrom, train } from 'innate/train'
import type { Story } from './material.ts'
import { bitsPerByte } from './measure.ts'

/** What a student learns, from whom, and how. */
export interface Lesson {
  readonly student: Policy
  /** Whose full distributions are learned; without it, the tokens that were said. Same vocabulary. */
  readonly teacher?: Policy
  /** Of the teacher's distribution; below 1 the student learns to take fewer chances. Default 1. */
  readonly temperature?: number
  /** Steps in which the learning rate rises. */
  readonly warmup: number
  readonly stories: readonly Story[]
  readonly heldOut: readonly Story[]
  /** Steps in all; the texts are gone through as often as that takes. */
  readonly steps: number
  readonly lr: number
  readonly seed: number
  /** Texts a step. */
  readonly batch: number
  /** Where checkpoint and curve lie: FILE.safetensors and FILE.jsonl. */
  readonly file: string
  readonly say: (line: string) => void
}

const everySteps = 100

/** Trains a student on texts, and goes on from its checkpoint if there is one; notes its curve. */
export async function learn(lesson: Lesson): Promise<void> {
  const { student, teacher, temperature = 1, heldOut, steps, batch, lr, seed, say } = lesson
  const curve = `${lesson.file}.jsonl`
  const note = async (row: object) => {
    say(JSON.stringify(row))
    await appendFile(curve, `${JSON.stringify(row)}\n`)
  }
  let [loss, tokens, since, started] = [0, 0, 0, Date.now()]
  await train({
    policy: student,
    ...(teacher ? { teacher } : {}),
    objective: teacher ? distil({ temperature }) : nextToken(),
    examples: examplesOf(lesson),
    optimizer: adamw({ lr, beta2: 0.98, weightDecay: 0.01 }),
    schedule: scheduleFrom({ name: 'cosine', warmup: lesson.warmup }),
    clip: 1,
    batch,
    epochs: 1,
    seed,
    shuffle: false,
    tokenBudget: 4096,
    referenceOf: async () => [],
    checkpoint: { file: `${lesson.file}.safetensors`, everySeconds: 60 },
    resume: true,
    async onStart({ step }) {
      if (step > 0) say(`goes on after step ${step} of ${steps}`)
      // What a killed process noted after its last checkpoint is done again.
      const lines = existsSync(curve) ? (await readFile(curve, 'utf8')).split('\n') : []
      const noted = lines.filter((line) => line && JSON.parse(line).step <= step)
      await writeFile(curve, noted.map((line) => `${line}\n`).join(''))
      if (step === 0) await note({ step, heldOutBitsPerByte: await bitsPerByte(student, heldOut) })
      started = Date.now()
    },
    async onStep(metrics) {
      const { step, gradNorm } = metrics
      loss += metrics.loss
      tokens += metrics.tokens!
      since++
      if (step % everySteps > 0 && step < steps) return
      const tokensPerSecond = Math.round((1000 * tokens) / (Date.now() - started))
      const heldOutBitsPerByte = await bitsPerByte(student, heldOut)
      await note({ step, of: steps, loss: loss / since, heldOutBitsPerByte, gradNorm, tokensPerSecond })
      ;[loss, tokens, since, started] = [0, 0, 0, Date.now()]
    },
  })
}

/** As many texts as the steps take, each time around in another order. Where the small vocabulary cuts otherwise, the teacher is not trusted. */
function examplesOf({ stories, steps, batch, seed }: Lesson): Example[] {
  const rounds = Math.ceil((steps * batch) / stories.length)
  const order = Array.from({ length: rounds }, (_, round) => random(seed, `stories/${round}`).shuffled(stories)).flat()
  return order.slice(0, steps * batch).map(({ ids, split = [] }) => {
    const trust = ids.slice(1).map((_, i) => (split.includes(i + 1) ? 0 : 1))
    return { tree: textTree(ids), reference: [], label: 1, trust }
  })
}
