import type { Activations } from './activations.ts'
import type { Linear } from './linear.ts'
import { minimise, type Smooth } from './minimise.ts'

export interface LogisticOptions {
  /** Weight of ½‖W‖² beside the sum of losses; 1/C of scikit-learn. Default 1. */
  readonly l2?: number
  /** What each row counts. Default 1. */
  readonly counts?: ArrayLike<number>
  /** Of the gradient's norm, against that of the first one. Default 1e-8. */
  readonly tolerance?: number
}

/**
 * Logistic regression, converged: the W, b that minimise Σ −log p(labelᵢ | xᵢ) + ½·l2·‖W‖². Of two classes p is σ(w·x + b), of more the
 * softmax of one score each. The bias is not penalised.
 *
 * units   l2 in nats; losses summed, not averaged
 * limits  without l2 there is no minimum where a plane parts the classes: the weights then grow until the gradient is as small as asked for
 * source  Cox 1958; as scikit-learn 1.9 has it (LogisticRegression with C = 1/l2)
 */
export function logistic(x: Activations, labels: readonly number[], classes: number, options: LogisticOptions = {}): Linear {
  const outputs = classes === 2 ? 1 : classes
  const width = x.d + 1
  const { tolerance } = options
  const loss = lossOf(x, labels, outputs, options)
  const found = minimise('logistic', loss, new Float64Array(outputs * width), tolerance === undefined ? {} : { tolerance })
  const weight = Array.from({ length: outputs }, (_, c) => found.slice(c * width, c * width + x.d))
  return { weight, bias: weight.map((_, c) => found[c * width + x.d]!) }
}

/** The loss as a function of all weights: for each output its row of W, then its bias. */
function lossOf(x: Activations, labels: readonly number[], outputs: number, { l2 = 1, counts }: LogisticOptions): Smooth {
  const width = x.d + 1
  const count = (i: number) => (counts ? counts[i]! : 1)
  const shares = new Float64Array(x.n * outputs)
  const penalise = (v: Float64Array, into: Float64Array) => {
    for (let c = 0; c < outputs; c++) for (let k = c * width; k < c * width + x.d; k++) into[k]! += l2 * v[k]!
  }
  return {
    value(at, slope) {
      slope.fill(0)
      let sum = 0
      const row = new Float64Array(outputs)
      for (let i = 0; i < x.n; i++) {
        affine(x, i, at, row)
        sum += count(i) * (outputs === 1 ? binary(row, labels[i]!) : several(row, labels[i]!))
        for (let c = 0; c < outputs; c++) {
          shares[i * outputs + c] = row[c]! + Number(labels[i] === (outputs === 1 ? 1 : c))
          row[c]! *= count(i)
        }
        addRow(x, i, row, slope)
      }
      for (let c = 0; c < outputs; c++) for (let k = c * width; k < c * width + x.d; k++) sum += 0.5 * l2 * at[k]! ** 2
      penalise(at, slope)
      return sum
    },
    curve(v, into) {
      into.fill(0)
      const row = new Float64Array(outputs)
      for (let i = 0; i < x.n; i++) {
        affine(x, i, v, row)
        const p = shares.subarray(i * outputs, (i + 1) * outputs)
        let mean = 0
        for (let c = 0; c < outputs; c++) mean += p[c]! * row[c]!
        for (let c = 0; c < outputs; c++) row[c] = count(i) * p[c]! * (outputs === 1 ? (1 - p[0]!) * row[0]! : row[c]! - mean)
        addRow(x, i, row, into)
      }
      penalise(v, into)
    },
  }
}

/** The scores of one row of x by all weights. */
function affine({ d, data }: Activations, i: number, at: Float64Array, into: Float64Array): void {
  for (let c = 0, from = 0; c < into.length; c++, from += d + 1) {
    let sum = at[from + d]!
    for (let k = 0, place = i * d; k < d; k++, place++) sum += at[from + k]! * data[place]!
    into[c] = sum
  }
}

/** Adds one row of x, and 1 for the bias, times each output's number. */
function addRow({ d, data }: Activations, i: number, pulls: Float64Array, into: Float64Array): void {
  for (let c = 0, from = 0; c < pulls.length; c++, from += d + 1) {
    const pull = pulls[c]!
    for (let k = 0, place = i * d; k < d; k++, place++) into[from + k]! += pull * data[place]!
    into[from + d]! += pull
  }
}

/**
 * The mean of −log p(label) of a reading on rows.
 *
 * units   nats
 */
export function logLoss(scores: readonly (readonly number[])[], labels: readonly number[]): number {
  const sum = scores.reduce((total, row, i) => total + (row.length === 1 ? binary([...row], labels[i]!) : several([...row], labels[i]!)), 0)
  return sum / scores.length
}

/** −log p of a label; the scores become p less 1 at the label: the slope of it. */
function binary(scores: Float64Array | number[], label: number): number {
  const s = scores[0]!
  const signed = label === 1 ? s : -s
  scores[0] = 1 / (1 + Math.exp(-s)) - label
  return signed > 0 ? Math.log1p(Math.exp(-signed)) : Math.log1p(Math.exp(signed)) - signed
}

function several(scores: Float64Array | number[], label: number): number {
  let most = Number.NEGATIVE_INFINITY
  for (let c = 0; c < scores.length; c++) most = Math.max(most, scores[c]!)
  let sum = 0
  for (let c = 0; c < scores.length; c++) sum += Math.exp(scores[c]! - most)
  const nll = most + Math.log(sum) - scores[label]!
  for (let c = 0; c < scores.length; c++) scores[c] = Math.exp(scores[c]! - most) / sum - Number(c === label)
  return nll
}
