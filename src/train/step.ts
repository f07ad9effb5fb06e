import { type Graph, gradient, graph, input, isValue, leaves, reshape, sizeOf, slice, sum, takeRows, type Value } from '../graph/index.ts'
import { completionLogps, logits, tokenLogps } from '../models/index.ts'
import { among, type CustomLoss, type LossTerms, type Objective, type Taps, traceLoss } from '../objectives/index.ts'
import { forward, type Policy, type RowShape, rowInputs } from '../policy/index.ts'
import { maskInputs } from './dropout.ts'

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
}

/** A traced training step: loss, and the gradient of every trainable parameter. */
export interface TracedStep {
  readonly graph: Graph
  readonly taps: Taps
  readonly terms: LossTerms
  readonly loss: Value
}

/**
 * Traces forward, loss and gradient of one micro-batch.
 *
 * Inputs: the policy's parameters and the rows; where completions are shared, `sides` i32[slots], which of the rows' each of the examples'
 * is; those of the objective's kind; `share` f32[], what this micro-batch weighs in the step, and `unit` f32[], what one unit of its mean
 * does in the micro-batch; `teacher` f32[N, V], where the objective reads one; `mask.PATH` f32[R, T, in] for each adapter, with dropout.
 * Outputs: `loss` (custom, if there is one), `objective` (before it), `logps` f32[slots], and `grad.NAME` for each trainable input.
 */
export function traceStep(plan: StepPlan): TracedStep {
  const { policy, objective, examples, shape } = plan
  const size = { examples, slots: plan.slots ?? examples * objective.kind.sides!, tokens: shape.wanted }
  const rows = rowInputs(shape)
  const [share, unit] = [input('share', []), input('unit', [])]
  const given = objective.kind.inputs(size)
  const masks = maskInputs(policy.adapters, shape)
  const taps = new Map<string, Value>()
  const { params, hidden, inputs } = forward(policy, rows, { path: 'train', masks, look: (name, x) => taps.set(name, x) })
  const tokens = tokenLogps(params, hidden, rows.wanted, rows.targets, policy.config)
  const said = completionLogps(tokens, rows.completion, rows.weights, shape.completions)
  const sides = plan.shared ? { sides: input('sides', [size.slots], 'i32') } : undefined
  const logps = sides ? takeRows(said, sides.sides) : slice(said, 0, 0, size.slots)
  const teacher = objective.needs.includes('teacher') ? { teacher: input('teacher', [shape.wanted, policy.config.vocabSize]) } : undefined
  const terms = objective.terms({
    ...size,
    logps,
    tokenLogps: tokens,
    weights: rows.weights,
    logits: {
      policy: () =>
        logits(
          params,
          takeRows(reshape(hidden, [sizeOf(hidden.shape) / policy.config.hiddenSize, policy.config.hiddenSize]), rows.wanted),
          policy.config,
        ),
      teacher: () => teacher!.teacher,
    },
    unit,
    inputs: given,
    inside: { tap: among(taps) },
  })
  const loss = plan.loss ? traceLoss(plan.loss, terms) : terms.objective
  const trainable = trainableInputs(policy, inputs)
  const slopes = gradient(loss.mul(share), trainable)
  const grads = Object.fromEntries(leaves<Value>(slopes, isValue).map(([name, value]) => [`grad.${name}`, value]))
  return {
    graph: graph(
      { ...inputs, ...rows, ...sides, ...given, ...teacher, share, unit, ...byName(masks) },
      { loss, objective: terms.objective, logps, ...grads },
    ),
    taps,
    terms,
    loss,
  }
}

/** Inputs by the names that they were made with. */
function byName(masks: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.values(masks).map((mask) => [mask.attrs.name as string, mask]))
}

/** Of the inputs of a policy's graphs, those that are trained: with adapters only they, else every parameter. */
export function trainableInputs<T>(policy: Policy, inputs: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => name.startsWith(policy.adapters ? 'lora.' : 'params.')))
}

/** The same step, asking instead which of its taps hold a number that is not finite: 0 where all are, NaN where not. */
export function traceFinite({ graph: traced, taps, terms, loss }: TracedStep): Graph {
  const watched = [...taps.entries(), ['the objective', terms.objective] as const, ['the custom loss', loss] as const]
  const probes = watched.map(([name, value]) => [name, sum(value.mul(0))] as const)
  return graph(traced.inputs, Object.fromEntries(probes))
}
