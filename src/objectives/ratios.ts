import { exp, maximum, minimum, reshape, step, sum, type Value } from '../graph/index.ts'
import type { RolloutSide } from './rollouts.ts'

/** min(ρ·A, clip(ρ)·A), the objective of proximal policy optimisation. source Schulman et al. 2017, arXiv:1707.06347, equation 7 */
export function clippedGain(ratio: Value, advantage: Value, low: number, high: number): Value {
  return minimum(ratio.mul(advantage), minimum(maximum(ratio, 1 - low), 1 + high).mul(advantage))
}

/** 1 where that has no slope by ρ: above with A > 0, or below with A < 0. */
export function outside(ratio: Value, advantage: Value, low: number, high: number): Value {
  const [better, worse] = [step(advantage), step(advantage.neg())]
  return step(ratio.sub(1 + high))
    .mul(better)
    .add(step(ratio.neg().add(1 - low)).mul(worse))
}

/** −A·log π + β·½·(log-ratio)²: a completion's advantage, and the pull to the reference with the slope of β·KL. shape f32[completions] */
export function pulledGain({ advantage, logp, logRatio }: RolloutSide, beta: number): Value {
  const gain = advantage.mul(logp)
  if (beta === 0) return gain.neg()
  return logRatio
    .mul(logRatio)
    .mul(beta / 2)
    .sub(gain)
}

/** Each token's k3, exp(log π_ref − log π) + log π − log π_ref − 1, or k2, ½·(log π − log π_ref)². shape f32[completions, T] */
export function tokenKl({ referenceRatio }: RolloutSide, form: 'k3' | 'k2' = 'k3'): Value {
  if (form === 'k2') return referenceRatio.mul(referenceRatio).mul(0.5)
  return exp(referenceRatio.neg()).add(referenceRatio).sub(1)
}

/** Sums a number of each token by completion, padding left out. shape f32[completions, T] → f32[completions] */
export function overTokens(x: Value, { there }: Pick<RolloutSide, 'there'>): Value {
  return reshape(sum(x.mul(there), [1]), [there.shape[0]!])
}

/** A number of each completion beside its tokens. shape f32[completions] → f32[completions, 1] */
export function beside(x: Value): Value {
  return reshape(x, [x.shape[0]!, 1])
}
