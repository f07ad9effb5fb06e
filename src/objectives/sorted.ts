import { argSort, logSigmoid, takeRows, type Value } from '../graph/index.ts'

/** The numbers of a batch, the smallest first. shape f32[n] → f32[n] */
export function sorted(x: Value): Value {
  return takeRows(x, argSort(x))
}

/** −log σ of β times some differences, each at the rate ε of the other sign. shape f32[n] → f32[n] */
export function smoothedLogistic(differences: Value, beta: number, labelSmoothing: number): Value {
  const odds = beta === 1 ? differences : differences.mul(beta)
  const right = logSigmoid(odds).mul(1 - labelSmoothing)
  return (labelSmoothing === 0 ? right : right.add(logSigmoid(odds.neg()).mul(labelSmoothing))).neg()
}
