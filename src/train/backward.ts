import type { Program } from '../engine/index.ts'
import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { CustomLoss, Example, Kind, Objective } from '../objectives/index.ts'
import { type Packing, type Policy, runInputs, scoreTrees, shapeOf, type Tree } from '../policy/index.ts'
import { metricsSchema } from '../runs/index.ts'
import { dropoutMasks } from './dropout.ts'
import type { Following } from './follow.ts'
import { insideTensors, type LossReads, longestOf } from './inside.ts'
import { type MicroBatch, microBatches, treesOf } from './micro-batch.ts'
import type { TrainState } from './state.ts'
import { type StepPlan, traceStep } from './step.ts'
import type { Teacher } from './teacher.ts'

/** What every step of a run has in common. */
export interface Stepping {
  readonly policy: Policy
  readonly objective: Objective
  readonly loss?: CustomLoss
  readonly seed: number
  readonly packing: Packing
  /** What is known of a custom loss: see examineLoss. */
  readonly reads?: LossReads
  readonly teacher?: Teacher
  /** A reference that follows the policy, where the objective has one. */
  readonly following?: Following
  /** The reference's log-probabilities of further completions, which objectives like kto ask for. */
  readonly referenceOf: (trees: readonly Tree[]) => Promise<readonly number[]>
}

/** One step: its examples, its number counting from 1, and what its objective asked for. */
export interface Step {
  readonly now: readonly Example[]
  readonly step: number
  readonly asked: readonly number[]
  /** The numbers that its objective carries from step to step, this one's among them. */
  readonly carried: readonly number[]
}

/** What a step came to, before the update. */
export interface Measured {
  readonly loss: number
  /** The objective before any custom loss. */
  readonly objective: number
  /** Input positions that held a token. */
  readonly tokens: number
  readonly metrics: Readonly<Record<string, number>>
  /** What the objective carries to the next step. */
  readonly carried: readonly number[]
}

/** Loss and gradient of one step, accumulated over its micro-batches: each weighs its share of the examples. */
export async function backward(stepping: Stepping, state: TrainState, given: readonly Example[], step: number): Promise<Measured> {
  const now = (await stepping.following?.scored(given)) ?? given
  const asked = await askedOf(stepping, now)
  const carried = stepping.objective.kind.carry?.(state.carried, asked) ?? []
  const micro = microBatches(stepping.objective, now, stepping.packing)
  let program = stepProgram(stepping, now, micro[0]!)
  const logps: number[][] = now.map(() => [])
  let loss = 0
  let objective = 0
  const named: Record<string, number> = {}
  for (const [i, one] of micro.entries()) {
    const compiled = await program
    const inputs = await microInputs(stepping, { now, step, asked, carried }, one, compiled)
    const running = compiled.run(inputs, i === 0 ? state.grads : await state.more())
    // The engine computes in its own thread, so the next one is traced in the meantime.
    if (micro[i + 1]) program = stepProgram(stepping, now, micro[i + 1]!)
    const results = await running
    if (i > 0) await state.addMore()
    const share = one.mine.length / now.length
    loss += share * results.loss!.data[0]!
    objective += share * results.objective!.data[0]!
    for (const [name, { data }] of Object.entries(results))
      if (name.startsWith('term.')) named[name.slice(5)] = (named[name.slice(5)] ?? 0) + share * data[0]!
    let slot = 0
    for (const index of one.mine) logps[index] = now[index]!.tree.completions.map(() => results.logps!.data[slot++]!)
  }
  const tokens = micro.reduce((total, { part }) => total + part.used, 0)
  const metrics = stepping.objective.kind.metrics(given, logps, asked, carried)
  const taken = Object.keys(named).find((name) => name in metrics || name in metricsSchema.shape)
  if (taken !== undefined)
    throw new UserError(`loss.terms.${taken}: must have a name of its own, got one that the metrics have; call it something else`)
  return { loss, objective, tokens, metrics: { ...metrics, ...named }, carried }
}

/** The log-ratios that an objective asks for before a step, such as the baseline of kto; over the whole step however it is accumulated. */
export async function askedOf({ policy, objective, referenceOf }: Stepping, now: readonly Example[]): Promise<number[]> {
  const { contextLength } = policy.config
  const trees = (objective.kind.asks?.(now) ?? []).flatMap(({ prompt, completions }): Tree[] =>
    prompt.length < contextLength ? [{ prompt, completions: completions.map((ids) => ids.slice(0, contextLength - prompt.length)) }] : [],
  )
  if (trees.length === 0) return []
  const [mine, reference] = [await scoreTrees(policy, trees), await referenceOf(trees)]
  return mine.map((logp, i) => logp - reference[i]!)
}

/** What one micro-batch is traced from. */
export function planOf(stepping: Stepping, now: readonly Example[], { part, mine, sides, shared }: MicroBatch): StepPlan {
  const { policy, objective, loss, reads } = stepping
  const plan = { policy, objective, shape: shapeOf(part.rows), examples: mine.length, slots: sides.length, shared }
  return {
    ...plan,
    ...(loss ? { loss } : {}),
    ...(reads ? { asks: reads.asks } : {}),
    ...(reads?.own ? { longest: longestOf(treesOf(objective.kind, now)) } : {}),
  }
}

function stepProgram(stepping: Stepping, now: readonly Example[], micro: MicroBatch): Promise<Program> {
  const { policy, objective, loss } = stepping
  const plan = planOf(stepping, now, micro)
  const { shape, examples, slots, shared, longest, asks } = plan
  const key = `train ${JSON.stringify(shape)} ${examples} ${slots} ${shared} ${longest} ${[...(asks ?? [])]}`
  const program = policy.program(key, () => traceStep(plan).graph, [objective, loss])
  // It may be asked for before its turn; that it failed is heard when it is awaited.
  program.catch(() => {})
  return program
}

/** What a kind gives, without what the program does not read. */
function fed({ whereRead = [] }: Kind, given: Readonly<Record<string, Tensor>>, { inputs }: Pick<Program['graph'], 'inputs'>) {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !whereRead.includes(name) || name in inputs))
}

/** The tensors that a micro-batch feeds to its program. */
export async function microInputs(
  stepping: Stepping,
  { now, step, asked, carried }: Step,
  micro: MicroBatch,
  program: Pick<Program, 'graph'>,
) {
  const { objective, reads, seed, teacher, policy } = stepping
  const { part, mine, sides, shared } = micro
  const { kind } = objective
  const examples = mine.map((index) => now[index]!)
  const share = examples.length / now.length
  const longest = reads?.own ? longestOf(treesOf(kind, now)) : shapeOf(part.rows).length
  const size = { examples: examples.length, slots: sides.length, tokens: part.rows.wanted.shape[0]!, longest }
  const weight = now.reduce((sum, example) => sum + kind.weight(example), 0)
  return {
    ...runInputs(policy, part),
    ...(shared ? { sides: tensor(sides, [sides.length], 'i32') } : {}),
    ...fed(kind, kind.given(examples, size, asked, { now, carried }), program.graph),
    ...(reads ? insideTensors(micro, longest, new Set(Object.keys(program.graph.inputs))) : {}),
    ...(teacher && objective.needs.includes('teacher') ? { teacher: await teacher.scores(part) } : {}),
    share: tensor([share], []),
    unit: tensor([1 / (weight * share)], []),
    ...dropoutMasks(policy.adapters, micro, { seed, step }),
  }
}
