import { existsSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import type { Resident } from 'innate/engine'
import {
  gradient,
  graph,
  input,
  isValue,
  leaves,
  logSumExp,
  matmul,
  reshape,
  softmax,
  sum,
  type Tensor,
  takeRows,
  tensor,
  transpose,
  type Value,
} from 'innate/graph'
import { decoder, tokenLogps } from 'innate/models'
import { type Policy, packTrees, policyInputs, type RowShape, rowInputs, rowTensors, scoreTrees, shapeOf, textTree } from 'innate/policy'
import { random } from 'innate/random'
import { adamw, openTrainState, rateAt, scheduleFrom } from 'innate/train'

/** A text as tokens, from the token that begins it to the one that ends it, if it ended. */
export interface Story {
  readonly ids: readonly number[]
  readonly bytes: number
  /** Where in `ids` the small vocabulary cuts otherwise than the teacher's own: there the teacher is at a loss. */
  readonly split?: readonly number[]
}

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

/**
 * Trains on texts by plain backpropagation with AdamW, and goes on from its checkpoint if there is one.
 *
 * With a teacher the loss at each token that the teacher cuts alike is the cross entropy Σ p_teacher · −log p_student over the whole vocabulary (Hinton, Vinyals & Dean
 * 2015, arXiv:1503.02531), which says more a token than the one that was drawn, and with less noise.
 */
export async function learn(lesson: Lesson): Promise<void> {
  const { student, stories, steps, batch, seed } = lesson
  const [checkpoint, curve] = [`${lesson.file}.safetensors`, `${lesson.file}.jsonl`]
  const epochs = Math.ceil((steps * batch) / stories.length)
  const plan = Array.from({ length: epochs }, (_, epoch) => batches(stories, batch, seed, epoch))
    .flat()
    .slice(0, steps)
  const schedule = scheduleFrom({ name: 'cosine', warmup: lesson.warmup })
  const state = await openTrainState(student, adamw({ lr: lesson.lr, beta2: 0.98, weightDecay: 0.01 }))
  let step = existsSync(checkpoint) ? await state.restore(checkpoint) : 0
  if (step > 0) lesson.say(`goes on after step ${step} of ${plan.length}`)
  // What a killed process noted after its last checkpoint is done again.
  const noted = existsSync(curve) ? (await readFile(curve, 'utf8')).split('\n').filter((line) => line && JSON.parse(line).step <= step) : []
  await writeFile(curve, noted.map((line) => `${line}\n`).join(''))
  const note = async (row: object) => {
    lesson.say(JSON.stringify(row))
    await appendFile(curve, `${JSON.stringify(row)}\n`)
  }
  if (step === 0) await note({ step, heldOutBitsPerByte: await bitsPerByte(student, lesson.heldOut) })
  let [loss, tokens, started] = [0, 0, Date.now()]
  while (step < plan.length) {
    const done = await backward(lesson, plan[step]!, state.grads)
    step++
    const norm = await state.gradNorm()
    if (!Number.isFinite(done.loss + norm)) throw new Error(`step ${step}: the loss must be finite, got ${done.loss}, gradient ${norm}`)
    await state.update(step, lesson.lr * rateAt(schedule, step, plan.length), Math.min(1, 1 / (norm + 1e-6)))
    loss += done.loss
    tokens += done.tokens
    if (step % everySteps > 0 && step < plan.length) continue
    const tokensPerSecond = Math.round((1000 * tokens) / (Date.now() - started))
    const heldOutBitsPerByte = await bitsPerByte(student, lesson.heldOut)
    await note({
      step,
      of: plan.length,
      loss: loss / (step % everySteps || everySteps),
      heldOutBitsPerByte,
      gradNorm: norm,
      tokensPerSecond,
    })
    await state.save(checkpoint, step)
    ;[loss, tokens, started] = [0, 0, Date.now()]
  }
  await state.close()
}

/** Texts of like length side by side, so that little is padded; the batches come in a random order. */
function batches(stories: readonly Story[], size: number, seed: number, epoch: number): Story[][] {
  const order = random(seed, `stories/${epoch}`).shuffled(stories)
  const groups: Story[][] = []
  for (let window = 0; window < order.length; window += 16 * size) {
    const near = order.slice(window, window + 16 * size).sort((a, b) => b.ids.length - a.ids.length)
    for (let i = 0; i < near.length; i += size) groups.push(near.slice(i, i + size))
  }
  return random(seed, `batches/${epoch}`).shuffled(groups)
}

/** One step's loss, and its gradient into the engine. */
async function backward(
  { student, teacher, temperature = 1 }: Lesson,
  stories: readonly Story[],
  grads: Readonly<Record<string, Resident>>,
) {
  const trees = stories.map(({ ids }) => textTree(ids))
  const length = Math.ceil((Math.max(...stories.map(({ ids }) => ids.length)) - 1) / 16) * 16
  const wanted = Math.ceil(stories.reduce((n, { ids }) => n + ids.length - 1, 0) / 64) * 64
  const [batch] = packTrees(trees, { shapes: [{ rows: stories.length, length, wanted, completions: stories.length }] })
  const shape = shapeOf(batch!.rows)
  const { completion: _, targets, ...rows } = rowTensors(batch!.rows)
  const learned = teacher ? { distributions: await distributions(teacher, temperature, shape, rows), trust: trustOf(stories, shape) } : {}
  const program = await stepProgram(student, shape, teacher !== undefined)
  const { loss } = await program.run({ ...student.given, ...rows, targets, ...learned }, grads)
  return { loss: loss!.data[0]!, tokens: batch!.used }
}

/** 1 where the teacher's distribution is learned, 0 where the token itself is, in the order of what is wanted. */
function trustOf(stories: readonly Story[], { wanted }: RowShape): Tensor {
  const trust = new Float32Array(wanted).fill(1)
  let start = -1
  for (const { ids, split = [] } of stories) {
    for (const i of split) if (i > 0) trust[start + i] = 0
    start += ids.length - 1
  }
  return tensor(trust, [wanted])
}

const kept = new WeakMap<Policy, Resident>()

/** The teacher's probabilities of every next token, f32[N, V], left in the engine. */
async function distributions(
  teacher: Policy,
  temperature: number,
  shape: RowShape,
  rows: Omit<ReturnType<typeof rowTensors>, 'completion' | 'targets'>,
) {
  const { engine, config } = teacher
  const wide = [shape.wanted, config.vocabSize]
  let resident = kept.get(teacher)
  if (resident?.shape[0] !== shape.wanted) {
    if (resident) await engine.release(resident)
    resident = await engine.allocate({ dtype: 'f32', shape: wide })
    kept.set(teacher, resident)
  }
  const program = await teacher.program(`distributions ${temperature} ${Object.values(shape)}`, () => {
    const { params, inputs } = policyInputs(teacher)
    const { tokens, positions, mask, wanted } = rowInputs(shape)
    const hidden = decoder(params, { tokens, positions, mask }, config)
    return graph(
      { ...inputs, tokens, positions, mask, wanted },
      { probabilities: softmax(scores(params, hidden, wanted).div(temperature)) },
    )
  })
  const { tokens, positions, mask, wanted } = rows
  await program.run({ ...teacher.given, tokens, positions, mask, wanted }, { probabilities: resident })
  return resident
}

function stepProgram(student: Policy, shape: RowShape, taught: boolean) {
  return student.program(`lesson ${taught} ${Object.values(shape)}`, () => {
    const { params, inputs } = policyInputs(student)
    const { completion: _, targets, ...given } = rowInputs(shape)
    const hidden = decoder(params, given, student.config)
    const asked = { distributions: input('distributions', [shape.wanted, student.config.vocabSize]), trust: input('trust', [shape.wanted]) }
    const told = tokenLogps(params, hidden, given.wanted, targets, student.config).neg()
    const apart = () => crossEntropy(scores(params, hidden, given.wanted), asked.distributions).sub(told)
    const nats = taught ? told.add(apart().mul(asked.trust)) : told
    const loss = sum(nats.mul(given.weights)).div(sum(given.weights))
    const slopes = leaves<Value>(gradient(loss, inputs), isValue).map(([name, value]): [string, Value] => [`grad.${name}`, value])
    return graph({ ...inputs, ...given, targets, ...(taught ? asked : {}) }, { loss, ...Object.fromEntries(slopes) })
  })
}

/** −Σ p · log softmax(z), nats. shape z, p f32[N, V] → f32[N] */
function crossEntropy(z: Value, p: Value): Value {
  return reshape(logSumExp(z).sub(sum(z.mul(p), [-1])), [z.shape[0]!])
}

/** Logits at the wanted positions. shape hidden f32[R, T, d], wanted i32[N] → f32[N, V] */
function scores(params: Parameters<typeof decoder>[0], hidden: Value, wanted: Value): Value {
  const [R, T, d] = hidden.shape as [number, number, number]
  return matmul(takeRows(reshape(hidden, [R * T, d]), wanted), transpose(params.head ?? params.embed))
}

/** What a text costs to write down with this model, over all texts: Σ −log p / ln 2 / bytes. */
export async function bitsPerByte(policy: Policy, stories: readonly Story[]): Promise<number> {
  const logps = await scoreTrees(
    policy,
    stories.map(({ ids }) => textTree(ids)),
  )
  const bytes = stories.reduce((n, story) => n + story.bytes, 0)
  return -logps.reduce((a, b) => a + b, 0) / Math.LN2 / bytes
}
