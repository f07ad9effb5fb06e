import { type Activations, columnsOf, deviationOf, meanOf } from './activations.ts'
import { type Linear, unscaled } from './linear.ts'
import { logistic } from './logistic.ts'
import { massMean } from './mass-mean.ts'
import { ridge } from './ridge.ts'
import { neuronsOf } from './sparse-neurons.ts'

export interface ProbeSettings {
  /** Of logistic and ridge, on features in standard deviations. Default 1. */
  readonly l2?: number
  /** Neurons of a k-sparse probe. Default 8. */
  readonly k?: number
}

/** A kind of probe: how a linear reading is fitted to the part that it may see. */
export type FitProbe = (x: Activations, labels: readonly number[], classes: number, settings?: ProbeSettings) => Linear

/** Features in standard deviations of the part that is fitted on, every class with the same weight; what is found reads x itself. */
function scaled(
  onRows: (x: Activations, labels: readonly number[], classes: number, how: { l2: number; counts: number[] }) => Linear,
): FitProbe {
  return (x, labels, classes, { l2 = 1 } = {}) => {
    const mean = meanOf(x)
    const deviation = deviationOf(x, mean)
    const data = x.data.map((value, i) => (value - mean[i % x.d]!) / deviation[i % x.d]!)
    return unscaled(onRows({ ...x, data }, labels, classes, { l2, counts: evenCounts(labels, classes) }), mean, deviation)
  }
}

/** What each row counts, so that every class weighs the same and all together n. */
export function evenCounts(labels: readonly number[], classes: number): number[] {
  const of = Array.from({ length: classes }, (_, c) => labels.filter((label) => label === c).length)
  return labels.map((label) => labels.length / (classes * of[label]!))
}

/** A logistic probe on chosen neurons alone. */
export function onNeurons(x: Activations, labels: readonly number[], neurons: readonly number[], settings: ProbeSettings = {}): Linear {
  const { weight, bias } = probeKinds.logistic(columnsOf(x, neurons), labels, 2, settings)
  const whole = new Float64Array(x.d)
  for (const [i, neuron] of neurons.entries()) whole[neuron] = weight[0]![i]!
  return { weight: [whole], bias }
}

/** Every kind of probe, by name. */
export const probeKinds = {
  logistic: scaled(logistic),
  ridge: scaled(ridge),
  'mass-mean': massMean,
  'k-sparse': (x, labels, _, settings = {}) => onNeurons(x, labels, neuronsOf(x, labels, settings.k ?? 8), settings),
} satisfies Record<string, FitProbe>
export type ProbeKind = keyof typeof probeKinds
