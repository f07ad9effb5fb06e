import { existsSync } from 'node:fs'
import { tensor, UserError } from '../graph/index.ts'
import { type CustomLoss, ktoBaseline, mismatched, type Objective } from '../objectives/index.ts'
import {
  type Batch,
  joinTrees,
  LONGEST_JOINED,
  type Packing,
  type Policy,
  packTrees,
  rowTensors,
  scoreTrees,
  shapeOf,
  type Tree,
} from '../policy/index.ts'
import { batches } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import type { Optimizer } from './adamw.ts'
import { dropoutMasks } from './dropout.ts'
import { rateAt, type Schedule } from './schedule.ts'
import { openTrainState, type TrainState } from './state.ts'
import { type StepPlan, traceFinite, traceStep } from './step.ts'

/** A pair, a labelled completion, or a text, ready to train on. */
export interface Example {
  /** Two completions (chosen, rejected) or one. */
  readonly tree: Tree
  /** The reference's log-probability of each completion, in nats; a loss of single tokens reads none. */
  readonly reference: readonly number[]
  /** The soft label of a pair: the probability that its chosen side is the better one. Of a labelled completion: 1 or 0. Of a text: 1. */
  readonly label: number
}

/** How steps are taken: what a recipe says under `train`. */
export interface Course {
  readonly optimizer: Optimizer
  readonly schedule: Schedule
  /** Largest norm of the gradient; a longer one is scaled down to it. */
  readonly clip: number
  /** Examples a step. */
  readonly batch: number
  readonly epochs: number
  readonly seed: number
  /** Most input positions at a time; a step that needs more is accumulated from several. Default 1024. */
  readonly tokenBudget?: number
}

export interface Training extends Course {
  readonly policy: Policy
  readonly objective: Objective
  readonly loss?: CustomLoss
  readonly examples: readonly Example[]
  /** Further examples: each group is trained on after those before it, and may have been sampled from what came of them. */
  readonly later?: readonly (readonly Example[])[]
  /** How many examples each group will have that is not there yet; the schedule counts their steps. */
  readonly toCome?: readonly number[]
  /** The round that metrics are written under; 0, the default, is a plain training run. */
  readonly round?: number
  readonly shuffle?: boolean
  /** Pairs of one prompt come one after the other, so that what they have in common is read once. Default false. */
  readonly together?: boolean
  /** Stops after this many steps, as if it had been killed there. */
  readonly maxSteps?: number
  /** The reference's log-probabilities of further completions (the baseline of kto reads completions under other prompts). */
  readonly referenceOf: (trees: readonly Tree[]) => Promise<readonly number[]>
  /** Where parameters and optimizer state are kept, and how often, so that a run can go on bit for bit. */
  readonly checkpoint?: { readonly file: string; readonly everySeconds: number }
  /** Go on from the checkpoint, if it is there. */
  readonly resume?: boolean
  /** Measures the policy after a step, for its row of the metrics; what it takes is not counted in tokens a second. */
  readonly measure?: (at: { step: number; steps: number }) => Promise<Readonly<Record<string, number>>>
  readonly onStart?: (at: { step: number; steps: number }) => void | Promise<void>
  readonly onStep?: (metrics: Metrics, at: { steps: number }) => void | Promise<void>
  readonly signal?: AbortSignal
}

export interface Trained {
  readonly steps: number
  readonly done: number
}

/**
 * Trains a policy in place, from step to step: rows → loss and gradient → norm → update. The policy must start as the reference.
 *
 * throws  UserError when the loss before the first update is not its closed form at policy = reference, and when a number is not
 *         finite (naming the first tap that had it); the parameters of the last good step are kept
 */
export async function train(training: Training): Promise<Trained> {
  const { policy, examples, later = [], toCome = [], batch, epochs, seed, optimizer, checkpoint, shuffle = true, together } = training
  const by = together ? ({ tree }: Example) => tree.prompt.join() : undefined
  const plan = [examples, ...later].flatMap((group, k) =>
    Array.from({ length: epochs }, (_, e) => batches(group, batch, { seed, epoch: k * epochs + e, shuffle, ...(by ? { by } : {}) })).flat(),
  )
  const steps = toCome.reduce((sum, count) => sum + epochs * Math.ceil(count / batch), plan.length)
  const packing = packingOf(training)
  const state = await openTrainState(policy, optimizer)
  try {
    let step = training.resume && checkpoint && existsSync(checkpoint.file) ? await state.restore(checkpoint.file) : 0
    await training.onStart?.({ step, steps })
    let savedAt = Date.now()
    while (step < Math.min(plan.length, training.maxSteps ?? plan.length)) {
      const started = performance.now()
      const now = plan[step]!
      step++
      const measured = await backward(training, state, now, packing, step)
      if (step === 1) checkStart(training, now, measured.objective)
      const gradNorm = await state.gradNorm()
      if (!Number.isFinite(measured.loss + gradNorm)) throw await notFinite(training, state, now, packing, step)
      const lr = optimizer.params.lr! * rateAt(training.schedule, step, steps)
      await state.update(step, lr, Math.min(1, training.clip / (gradNorm + 1e-6)))
      const tokensPerSecond = (1000 * measured.tokens) / (performance.now() - started)
      const more = await training.measure?.({ step, steps })
      await training.onStep?.(
        { round: training.round ?? 0, step, ...measured.metrics, loss: measured.loss, gradNorm, lr, tokensPerSecond, ...more },
        { steps },
      )
      const stopping = training.signal?.aborted || step === plan.length || step === training.maxSteps
      if (checkpoint && (stopping || Date.now() - savedAt > checkpoint.everySeconds * 1000)) {
        await state.save(checkpoint.file, step)
        savedAt = Date.now()
      }
      if (training.signal?.aborted) break
    }
    return { steps, done: step }
  } finally {
    await state.close()
    await policy.rest()
  }
}

/** Each micro-batch in the shape that fits it best, since shapes share one program; a run is as dear as some hundred positions. */
function packingOf({ policy, tokenBudget = 1024 }: Training): Packing {
  const { vocabSize, hiddenSize, contextLength, layers, intermediateSize, heads, headDim } = policy.config
  const perToken = layers * hiddenSize * (3 * intermediateSize + 4 * heads * headDim)
  return {
    contextLength,
    tokenBudget,
    lengths: 16,
    wantedMultiple: 32,
    tight: true,
    cost: { wanted: (vocabSize * hiddenSize) / perToken, run: 400 },
  }
}

/** A micro-batch: its rows, its examples by their index in the step, and which slot of the rows each side of them is. */
interface Micro {
  readonly part: Batch
  readonly mine: readonly number[]
  readonly sides: readonly number[]
  readonly shared: boolean
}

/** The micro-batches of a step; what pairs of one prompt have in common is read once, where the row stays short enough for that to pay. */
function layOut(now: readonly Example[], packing: Packing): Micro[] {
  const shared = joinTrees(
    now.map(({ tree }) => tree),
    Math.min(packing.tokenBudget!, LONGEST_JOINED),
  )
  const parts = packTrees(
    shared.map(({ tree }) => tree),
    packing,
  )
  return parts.map((part) => {
    const here = part.trees.map((index) => shared[index]!)
    let first = 0
    const sides = here.flatMap(({ tree, sides }) => {
      const from = first
      first += tree.completions.length
      return sides.flat().map((side) => from + side)
    })
    return { part, mine: here.flatMap(({ members }) => members), sides, shared: sides.some((side, i) => side !== i) }
  })
}

interface Measured {
  readonly loss: number
  /** The objective before any custom loss. */
  readonly objective: number
  readonly tokens: number
  readonly metrics: ReturnType<typeof pairMetrics> | ReturnType<typeof tokenMetrics>
}

/** Loss and gradient of one step, accumulated over its micro-batches: each weighs its share of the examples, or of the tokens to predict. */
async function backward(training: Training, state: TrainState, now: readonly Example[], packing: Packing, step: number): Promise<Measured> {
  const micro = layOut(now, packing)
  let program = stepProgram(training, micro[0]!)
  const z0 = training.objective.kind === 'examples' ? await baseline(training, now) : undefined
  const logps: number[][] = now.map(() => [])
  let loss = 0
  let objective = 0
  for (const [i, one] of micro.entries()) {
    const mine = one.mine.map((index) => now[index]!)
    const share = weightOf(training, mine) / weightOf(training, now)
    const inputs = { ...training.policy.given, ...microInputs(training, one, mine, { share, z0, step }) }
    const running = (await program).run(inputs, i === 0 ? state.grads : await state.more())
    // The engine computes in its own thread, so the next one is traced in the meantime.
    if (micro[i + 1]) program = stepProgram(training, micro[i + 1]!)
    const results = await running
    if (i > 0) await state.addMore()
    loss += share * results.loss!.data[0]!
    objective += share * results.objective!.data[0]!
    const per = results.logps!.data.length / mine.length
    one.mine.forEach((index, k) => {
      logps[index] = Array.from(results.logps!.data.subarray(k * per, (k + 1) * per))
    })
  }
  const tokens = micro.reduce((total, { part }) => total + part.used, 0)
  return {
    loss,
    objective,
    tokens,
    metrics: metricsOf(training, now, logps, z0),
  }
}

/** What the mean of a loss is over. */
function weightOf({ objective }: Training, examples: readonly Example[]): number {
  return objective.kind === 'tokens' ? examples.reduce((sum, { tree }) => sum + tree.completions[0]!.length, 0) : examples.length
}

function metricsOf({ objective }: Training, now: readonly Example[], logps: readonly (readonly number[])[], z0: number | undefined) {
  if (objective.kind === 'tokens') return tokenMetrics(now)
  return objective.kind === 'pairs' ? pairMetrics(now, logps) : exampleMetrics(now, logps, z0!)
}

function planOf({ policy, objective, loss }: Training, { part, mine, shared }: Micro): StepPlan {
  return { policy, objective, shape: shapeOf(part.rows), examples: mine.length, shared, ...(loss ? { loss } : {}) }
}

function stepProgram(training: Training, micro: Micro) {
  const { policy, objective, loss } = training
  const plan = planOf(training, micro)
  const { shape, examples, shared } = plan
  const program = policy.program(
    `step ${objective.name} ${JSON.stringify(objective.params)} ${loss ?? ''} ${JSON.stringify(shape)} ${examples} ${shared}`,
    () => traceStep(plan).graph,
  )
  // It may be asked for before its turn; that it failed is heard when it is awaited.
  program.catch(() => {})
  return program
}

function microInputs(
  { policy, objective, seed }: Training,
  { part, sides, shared }: Micro,
  mine: readonly Example[],
  { share, z0, step }: { share: number; z0: number | undefined; step: number },
) {
  const slots = mine.flatMap(({ tree }) => tree.completions)
  const floats = (values: readonly number[]) => tensor(values, [values.length])
  return {
    ...rowTensors(part.rows),
    ...(shared ? { sides: tensor(sides, [sides.length], 'i32') } : {}),
    share: tensor([share], []),
    ...(objective.kind === 'tokens'
      ? {}
      : {
          reference: floats(mine.flatMap(({ reference }) => reference)),
          lengths: floats(slots.map((completion) => completion.length)),
          labels: floats(mine.map(({ label }) => label)),
        }),
    ...(z0 === undefined ? {} : { z0: tensor([z0], []) }),
    ...dropoutMasks(policy.adapters, part, { seed, step }),
  }
}

/** The baseline of kto, over the whole batch however it is accumulated. */
async function baseline({ policy, referenceOf }: Training, now: readonly Example[]): Promise<number> {
  const other = mismatched(now.map(({ tree }) => ({ prompt: tree.prompt, completion: tree.completions[0]! })))
  const trees = other.map(
    ({ prompt, completion }): Tree => ({ prompt, completions: [completion.slice(0, policy.config.contextLength - prompt.length)] }),
  )
  const [mine, reference] = [await scoreTrees(policy, trees), await referenceOf(trees)]
  return ktoBaseline(mine.map((logp, i) => logp - reference[i]!))
}

/** Before the first update policy and reference are one model, so the objective must have the value it has there. */
function checkStart({ objective }: Training, now: readonly Example[], measured: number) {
  if (objective.kind === 'tokens') return
  const expected = objective.kind === 'pairs' ? objective.atReference?.() : mean(now.map(({ label }) => objective.atReference(label)))
  if (expected === undefined || Math.abs(measured - expected) <= 1e-3 * (1 + Math.abs(expected))) return
  throw new UserError(
    `train: before the first step ${objective.name} must be ${expected.toPrecision(6)}, its value at policy = reference, got ${measured.toPrecision(6)}; the reference's log-probabilities are not of this model (is a cache stale, or does the policy not start as the reference?)`,
  )
}

/** Finds the first tap whose value is not finite. */
async function notFinite(
  training: Training,
  state: TrainState,
  now: readonly Example[],
  packing: Packing,
  step: number,
): Promise<UserError> {
  const { policy, objective, checkpoint } = training
  if (checkpoint) await state.save(checkpoint.file, step - 1)
  const kept = checkpoint ? `the parameters of step ${step - 1} are kept in ${checkpoint.file}` : 'nothing was changed by this step'
  for (const one of layOut(now, packing)) {
    const mine = one.mine.map((index) => now[index]!)
    const traced = traceStep(planOf(training, one))
    const program = await policy.engine.compile(traceFinite(traced))
    const z0 = objective.kind === 'examples' ? 0 : undefined
    const found = await program.run({ ...policy.given, ...microInputs(training, one, mine, { share: 1, z0, step }) })
    const [first] = Object.entries(found).find(([, value]) => !Number.isFinite(value.data[0]!)) ?? []
    if (first)
      return new UserError(
        `train: every number must be finite, got NaN or infinity in step ${step}, first in ${first}; ${kept}; lower the learning rate or mend the loss`,
      )
  }
  return new UserError(
    `train: every number must be finite, got NaN or infinity in the gradient of step ${step}, with every tap finite; ${kept}; is a square root or logarithm taken at 0?`,
  )
}

function tokenMetrics(now: readonly Example[]) {
  return { tokens: now.reduce((sum, { tree }) => sum + tree.completions[0]!.length, 0) }
}

function pairMetrics(now: readonly Example[], logps: readonly (readonly number[])[]) {
  const ratio = (side: 0 | 1) => now.map(({ reference }, i) => logps[i]![side]! - reference[side]!)
  const [chosen, rejected] = [ratio(0), ratio(1)]
  const margins = chosen.map((r, i) => r - rejected[i]!)
  const tokens = (side: 0 | 1) => mean(now.map(({ tree }) => tree.completions[side]!.length))
  return {
    chosenLogRatio: mean(chosen),
    rejectedLogRatio: mean(rejected),
    margin: mean(margins),
    accuracy: mean(margins.map((m) => (m > 0 ? 1 : m < 0 ? 0 : 0.5))),
    kl: mean([...chosen, ...rejected].map((r) => (r * r) / 2)),
    chosenTokens: tokens(0),
    rejectedTokens: tokens(1),
  }
}

/** The same for labelled completions: desirable ones in the place of chosen, undesirable ones in that of rejected; 0 where there is none. */
function exampleMetrics(now: readonly Example[], logps: readonly (readonly number[])[], z0: number) {
  const ratios = now.map(({ reference }, i) => logps[i]![0]! - reference[0]!)
  const of = <T>(values: readonly T[], label: number) => values.filter((_, i) => now[i]!.label === label)
  const lengths = now.map(({ tree }) => tree.completions[0]!.length)
  const [chosen, rejected] = [mean(of(ratios, 1)), mean(of(ratios, 0))]
  return {
    chosenLogRatio: chosen,
    rejectedLogRatio: rejected,
    margin: chosen - rejected,
    accuracy: mean(ratios.map((r, i) => (r === z0 ? 0.5 : r > z0 === (now[i]!.label === 1) ? 1 : 0))),
    kl: mean(ratios.map((r) => (r * r) / 2)),
    chosenTokens: mean(of(lengths, 1)),
    rejectedTokens: mean(of(lengths, 0)),
    z0,
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length
}
