import { constant, table, tensor, type Value } from '../src/graph/index.ts'
import { among, type Scored, type Taps } from '../src/objectives/index.ts'
import type { PointSide } from '../src/objectives/points.ts'

/** What a trainer would have scored of completions at some points, example by example, with the kind's other inputs. */
export function scoredAt(
  examples: number,
  completions: readonly PointSide[],
  inputs: Readonly<Record<string, Value>>,
  taps: Taps = new Map(),
): Scored {
  const of = (part: keyof PointSide) => numbers(completions.map((one) => one[part]))
  return {
    examples,
    slots: completions.length,
    tokens: 0,
    longest: 1,
    logps: of('logp'),
    tokenLogps: constant(0, [1]),
    bySlot: () => constant(0, [completions.length, 1]),
    perSlot: () => constant(0, [completions.length]),
    weights: constant(1, [1]),
    logits: { policy: () => constant(0, [1, 1]), teacher: () => constant(0, [1, 1]) },
    unit: constant(1 / completions.length),
    inputs: { reference: of('reference'), lengths: of('length'), ...inputs },
    inside: { tap: among(taps), real: () => constant(1, [1, 1]), perExample: () => constant(0, [examples]), params: {} },
  }
}

/** Numbers as a constant of a graph, f64 for the evaluator. */
export function numbers(values: readonly number[]): Value {
  return table(tensor(Float64Array.from(values), [values.length]))
}
