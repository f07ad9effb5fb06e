import {
  type Graph,
  gradient,
  graph,
  input,
  isValue,
  leaves,
  tap as plainTap,
  reshape,
  slice,
  sum,
  takeRows,
  type Value,
} from '../graph/index.ts'
import { completionLogps, decoder, tokenLogps } from '../models/index.ts'
import {
  type CustomLoss,
  exampleTerms,
  type Objective,
  pairTerms,
  side,
  type Taps,
  type Terms,
  tokenTerms,
  traceLoss,
} from '../objectives/index.ts'
import { type Policy, policyInputs, type RowShape, rowInputs } from '../policy/index.ts'
import { maskInputs } from './dropout.ts'

/** What one micro-batch of a step is traced from. */
export interface StepPlan {
  readonly policy: Policy
  readonly objective: Objective
  readonly loss?: CustomLoss
  readonly shape: RowShape
  /** Pairs, labelled completions, or texts in the micro-batch: all real, so that means are over what is there. */
  readonly examples: number
  /** Whether examples have completions in common; else the rows' completions are the examples' sides, in order. */
  readonly shared?: boolean
}

/** A traced training step: loss, and the gradient of every trainable parameter. */
export interface TracedStep {
  readonly graph: Graph
  readonly taps: Taps
  readonly terms: Terms
  readonly loss: Value
}

/**
 * Traces forward, loss and gradient of one micro-batch.
 *
 * Inputs: the policy's parameters and the rows; where completions are shared, `sides` i32[slots], which of the rows' each side of an example is; unless the loss is of single tokens, `reference` f32[slots], `lengths` f32[slots], and `labels` f32[examples] (soft labels of
 * pairs, or 1 and 0 of labelled completions); for examples `z0` f32[]; `share` f32[], what this micro-batch weighs in the step; `mask.PATH`
 * f32[R, T, in] for each adapter, with dropout.
 * Outputs: `loss` (custom, if there is one), `objective` (before it), `logps` f32[slots], and `grad.NAME` for each trainable input.
 */
export function traceStep(plan: StepPlan): TracedStep {
  const { policy, objective, examples, shape } = plan
  const slots = objective.kind === 'pairs' ? 2 * examples : examples
  const { params, adapters, inputs } = policyInputs(policy)
  const rows = rowInputs(shape)
  const share = input('share', [])
  const given = {
    reference: input('reference', [slots]),
    lengths: input('lengths', [slots]),
    labels: input('labels', [examples]),
    ...(objective.kind === 'examples' ? { z0: input('z0', []) } : {}),
  }
  const masks = maskInputs(adapters, shape)
  const taps = new Map<string, Value>()
  const hidden = decoder(params, rows, policy.config, {
    ...(adapters ? { adapters: { ...adapters, masks } } : {}),
    tap(name, x) {
      const tapped = plainTap(name, x)
      taps.set(name, tapped)
      return tapped
    },
  })
  const tokens = tokenLogps(params, hidden, rows.wanted, rows.targets, policy.config)
  const said = completionLogps(tokens, rows.completion, rows.weights, shape.completions)
  const sides = plan.shared ? { sides: input('sides', [slots], 'i32') } : undefined
  const logps = sides ? takeRows(said, sides.sides) : slice(said, 0, 0, slots)
  // Pairs lie as chosen, rejected, chosen, rejected, …
  const every = (x: Value, k: number) => reshape(slice(reshape(x, [examples, 2]), 1, k, k + 1), [examples])
  const needsReference = objective.needs.includes('reference') || plan.loss !== undefined
  const sideOf = (k: number) =>
    side({ logp: every(logps, k), ...(needsReference ? { reference: every(given.reference, k) } : {}), length: every(given.lengths, k) })
  const terms =
    objective.kind === 'tokens'
      ? tokenTerms(objective, tokens, rows.weights, taps)
      : objective.kind === 'pairs'
        ? pairTerms(objective, { chosen: sideOf(0), rejected: sideOf(1) }, given.labels, taps)
        : exampleTerms(
            objective,
            { ...side({ logp: logps, reference: given.reference, length: given.lengths }), label: given.labels },
            given.z0!,
            taps,
          )
  const loss = plan.loss ? traceLoss(plan.loss, terms) : terms.objective
  const trainable = trainableInputs(policy, inputs)
  const slopes = gradient(loss.mul(share), trainable)
  const grads = Object.fromEntries(leaves<Value>(slopes, isValue).map(([name, value]) => [`grad.${name}`, value]))
  return {
    graph: graph(
      { ...inputs, ...rows, ...sides, ...(objective.kind === 'tokens' ? {} : given), share, ...byName(masks) },
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

/** With adapters only they are trained, else every parameter. */
export function trainableInputs<T>(policy: Policy, inputs: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !policy.adapters || name.startsWith('lora.')))
}

/** The same step, asking instead which of its taps hold a number that is not finite: 0 where all are, NaN where not. */
export function traceFinite({ graph: traced, taps, terms, loss }: TracedStep): Graph {
  const watched = [...taps.entries(), ['the objective', terms.objective] as const, ['the custom loss', loss] as const]
  const probes = watched.map(([name, value]) => [name, sum(value.mul(0))] as const)
  return graph(traced.inputs, Object.fromEntries(probes))
}
