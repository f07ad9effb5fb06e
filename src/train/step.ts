import {
  ancestors,
  type Graph,
  gradient,
  graph,
  input,
  isValue,
  leaves,
  reshape,
  slice,
  sum,
  takeRows,
  type Value,
} from '../graph/index.ts'
import { completionLogps, entropyInBlocks, headBlocks, logits, rewardsAt, tokenLogps } from '../models/index.ts'
import { type CustomLoss, isMeanOfExamples, type LossTerms, type Objective, type Of, type Taps, traceLoss } from '../objectives/index.ts'
import { forward, isBlockEnd, type Policy, type RowShape, rowInputs } from '../policy/index.ts'
import { maskInputs } from './dropout.ts'
import { openInside } from './inside.ts'

/** What one micro-batch of a step is traced from. */
export interface StepPlan {
  readonly policy: Policy
  readonly objective: Objective
  readonly loss?: CustomLoss
  readonly shape: RowShape
  /** Examples in the micro-batch: all real, so that means are over what is there. */
  readonly examples: number
  /** Their completions; the same number for each example unless told. */
  readonly slots?: number
  /** Whether examples have completions in common; else the rows' completions are the examples' own, in order. */
  readonly shared?: boolean
  /** Taps inside kernels that a custom loss reads. */
  readonly asks?: ReadonlySet<string>
  /** Positions of the longest example, where a custom loss reads examples apart; the rows' length unless told. */
  readonly longest?: number
  /** In how many blocks of the vocabulary the head is computed; see headBlocks where it is left out. */
  readonly blocks?: number
}

/** A traced training step: loss, and the gradient of every trainable parameter. */
export interface TracedStep {
  readonly graph: Graph
  readonly taps: Taps
  readonly terms: LossTerms
  readonly loss: Value
  /** What the objective, or a custom loss, names for the log. */
  readonly named: Readonly<Record<string, Value>>
  /** Whether the loss is a mean of numbers of single examples. */
  readonly mean: boolean
  /** What a loss reads of the model, by name: values at taps, log-probabilities of tokens, scores. */
  readonly ends: ReadonlyMap<Value, string>
}

/**
 * Traces forward, loss and gradient of one micro-batch.
 *
 * Inputs: the policy's parameters and the rows; where completions are shared, `sides` i32[slots], which of the rows' each of the examples'
 * is; those of the objective's kind; `share` f32[], what this micro-batch weighs in the step, and `unit` f32[], what one unit of its mean
 * does in the micro-batch; `teacher` f32[N, V], where the objective reads one; `mask.PATH` f32[R, T, in] for each adapter, with dropout; what a custom loss
 * reads inside (see openInside).
 * Outputs: `loss` (custom, if there is one), `objective` (before it), `logps` f32[slots], `term.NAME` for what the loss names, and `grad.NAME`
 * for each trainable input.
 */
export function traceStep(plan: StepPlan): TracedStep {
  const { policy, objective, examples, shape, asks = new Set<string>(), longest = shape.length } = plan
  const size = { examples, slots: plan.slots ?? examples * objective.kind.sides!, tokens: shape.wanted, longest }
  const rows = rowInputs(shape)
  const [share, unit] = [input('share', []), input('unit', [])]
  const given = objective.kind.inputs(size)
  const masks = maskInputs(policy.adapters, shape)
  const taps = new Map<string, Value>()
  const { params, hidden, inputs } = forward(policy, rows, {
    path: 'train',
    masks,
    look: (name, x) => taps.set(name, x),
    asks: (name) => asks.has(name),
  })
  const blocks = plan.blocks ?? blocksOf(plan)
  const tokens = params.score
    ? rewardsAt(params, hidden, rows.wanted)
    : tokenLogps(params, hidden, rows.wanted, rows.targets, policy.config, { blocks })
  const sides = plan.shared ? { sides: input('sides', [size.slots], 'i32') } : undefined
  const summed: Value[] = []
  const perSlot = (ofTokens: Value) => {
    const said = completionLogps(ofTokens, rows.completion, rows.weights, shape.completions)
    const made = sides ? takeRows(said, sides.sides) : slice(said, 0, 0, size.slots)
    summed.push(made)
    return made
  }
  const logps = perSlot(given.ends ? tokens.mul(given.ends) : tokens)
  const teacher = objective.needs.includes('teacher') ? { teacher: input('teacher', [shape.wanted, policy.config.vocabSize]) } : undefined
  const { rows: R, length } = shape
  const reading = {
    taps,
    asks,
    params: paramsOf(inputs),
    tokenLogps: tokens.mul(rows.weights),
    rows: R,
    length,
    ofSlots: ofSides(objective),
    ...size,
  }
  const inside = openInside(reading)
  const atWanted = () => takeRows(reshape(hidden, [R * length, policy.config.hiddenSize]), rows.wanted)
  const scores = once(() => logits(params, atWanted(), policy.config))
  const scored = {
    ...size,
    logps,
    tokenLogps: tokens,
    bySlot: inside.bySlot,
    perSlot,
    weights: rows.weights,
    logits: { policy: scores, teacher: () => teacher!.teacher },
    ...(blocks > 1 && !policy.config.logitCap ? { entropy: once(() => entropyInBlocks(params, hidden, rows.wanted, { blocks })) } : {}),
    unit,
    inputs: given,
    inside: inside.inside,
  }
  const terms = objective.terms(scored)
  const { loss, terms: ofLoss } = plan.loss ? traceLoss(plan.loss, terms) : { loss: terms.objective, terms: {} }
  const named = { ...objective.logged?.(scored), ...ofLoss }
  const mean =
    (plan.loss === undefined && !objective.whole) ||
    isMeanOfExamples(loss, sourcesOf({ objective, given, inputs, inside, summed, tokens, rows }), unit)
  const trainable = trainableInputs(policy, inputs)
  // The gradient that arrives at the end of a block is where the way back may be cut.
  const read = new Set(ancestors([loss]))
  const ends = Object.fromEntries([...taps].filter(([name, value]) => isBlockEnd(name) && read.has(value)))
  const slopes = gradient(loss.mul(share), { trainable, ends })
  const grads = Object.fromEntries(leaves<Value>(slopes.trainable, isValue).map(([name, value]) => [`grad.${name}`, value]))
  const outputs = { loss, objective: terms.objective, logps, ...prefixed('term.', named), ...grads }
  const needed = new Set(ancestors(Object.values(outputs)))
  const fed = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => !objective.kind.whereRead?.includes(name) || needed.has(value)),
  )
  return {
    graph: graph({ ...inputs, ...rows, ...sides, ...fed, ...teacher, ...inside.inputs, share, unit, ...byName(masks) }, outputs, [
      ...Object.values(ends),
      ...Object.values(slopes.ends).filter(({ op }) => op.name !== 'constant'),
    ]),
    taps,
    terms,
    loss,
    named,
    mean,
    ends: new Map<Value, string>([...[...taps].map(([name, value]) => [value, name] as const), [tokens, 'tokenLogps']]),
  }
}

/** A teacher's scores are compared with all logits, so that they are there whole. */
function blocksOf({ policy, objective, shape }: StepPlan): number {
  return objective.needs.includes('teacher') ? 1 : headBlocks(policy.config, shape.wanted, { trained: policy.adapters === undefined })
}

/** What of a step belongs to single examples, for isMeanOfExamples. */
function sourcesOf(of: {
  readonly objective: Objective
  readonly given: Readonly<Record<string, Value>>
  readonly inputs: Readonly<Record<string, Value>>
  readonly inside: ReturnType<typeof openInside>
  readonly summed: readonly Value[]
  readonly tokens: Value
  readonly rows: { readonly weights: Value }
}): Map<Value, Of> {
  const { kind } = of.objective
  const slots = ofSides(of.objective)
  const ofGiven: Of = kind.perToken ? 'tokens' : slots
  const sources = new Map<Value, Of>([...of.inside.of, [of.tokens, 'tokens'], [of.rows.weights, 'tokens']])
  for (const value of of.summed) sources.set(value, slots)
  for (const value of Object.values(of.given)) sources.set(value, value.shape.length === 0 ? 'constant' : ofGiven)
  for (const value of Object.values(of.inputs)) sources.set(value, 'constant')
  return sources
}

/** Completions lie example by example, the same number for each unless the kind says nothing of it. */
function ofSides({ kind }: Objective): Of {
  return kind.sides === undefined ? 'slots' : 'examples'
}

function paramsOf(inputs: Readonly<Record<string, Value>>): Record<string, Value> {
  const own = Object.entries(inputs).filter(([name]) => name.startsWith('params.') || name.startsWith('lora.'))
  return Object.fromEntries(own.map(([name, value]) => [name.replace(/^params\./, ''), value]))
}

function prefixed(prefix: string, values: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]))
}

function once(make: () => Value): () => Value {
  let made: Value | undefined
  return () => (made ??= make())
}

/** Inputs by the names that they were made with. */
function byName(masks: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.values(masks).map((mask) => [mask.attrs.name as string, mask]))
}

/** Of the inputs of a policy's graphs, those that are trained: with adapters only they and the head of a reward model, else every parameter. */
export function trainableInputs<T>({ adapters }: Policy, inputs: Readonly<Record<string, T>>): Record<string, T> {
  const trained = (name: string) => (adapters ? name.startsWith('lora.') || name === 'params.score' : name.startsWith('params.'))
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => trained(name)))
}

/** The same step, asking instead which of its taps hold a number that is not finite: 0 where all are, NaN where not. */
export function traceFinite({ graph: traced, taps, terms, loss }: TracedStep): Graph {
  const watched = [...taps.entries(), ['the objective', terms.objective] as const, ['the custom loss', loss] as const]
  const probes = watched.map(([name, value]) => [name, sum(value.mul(0))] as const)
  return graph(traced.inputs, Object.fromEntries(probes))
}
