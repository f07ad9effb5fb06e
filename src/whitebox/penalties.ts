import { type ProbeChoice, type Probes, probeFor } from '../goals/index.ts'
import { logSigmoid, matmul, reshape, sum, table, tensor, UserError, type Value } from '../graph/index.ts'
import type { OwnTokens } from '../objectives/index.ts'

/**
 * A number of each example for a custom loss: how sure a probe is of a label, −log(1 − p), from the mean of the policy's own values at the tokens
 * asked for. `mean(perExample(penalty, 'all'))` in the loss drives the label out of the reach of this probe; whether it is gone is
 * another question, so fit a probe again afterwards (see refit).
 *
 * shape   → f32[examples, 1]
 * units   nats of a logistic probe
 * throws  UserError for a choice that is wrong, or a probe of more than two labels, or one that was not fitted on the mean over tokens
 */
export function probePenalty(probes: Probes, choice: ProbeChoice): (own: OwnTokens) => Value {
  const { probe, place } = probeFor('probePenalty', probes, choice)
  if (probes.labels.length !== 2)
    throw new UserError(
      `probePenalty: a probe of two labels is needed, got ${probes.labels.length}; fit one for the label against the rest`,
    )
  if (probes.pool !== 'mean')
    throw new UserError(
      'probePenalty: a probe of the mean over tokens is needed, got one of the last token; fit it with --positions mean, since a loss reads every token',
    )
  const sign = place === 1 ? 1 : -1
  const project = along(probe.weight[0]!.map((w) => sign * w))
  const bias = sign * probe.bias[0]!
  return (own) => logSigmoid(project(own, probe.tap).add(bias).neg()).neg()
}

/**
 * A number of each example for a custom loss: the square of how far its values lie along a direction, of the mean over the tokens asked for.
 *
 * shape   direction of the tap's width → f32[examples, 1]
 * units   squares of the tap's own
 */
export function directionPenalty(tap: string, direction: ArrayLike<number>): (own: OwnTokens) => Value {
  const length = Math.hypot(...Array.from(direction))
  if (!(length > 0))
    throw new UserError(`directionPenalty: the direction must have a length above 0, got ${length}; give one that points somewhere`)
  const project = along(Array.from(direction, (x) => x / length))
  return (own) => {
    const far = project(own, tap)
    return far.mul(far)
  }
}

/** Of each example the mean over its tokens, along a direction. */
function along(direction: readonly number[]): (own: OwnTokens, tap: string) => Value {
  const column = tensor(Float32Array.from(direction), [direction.length, 1])
  return ({ tap, real }, name) => {
    const value = tap(name)
    const [examples, T] = value.shape as [number, number]
    const far = reshape(matmul(value, table(column)), [examples, T])
    const counts = sum(real, [1])
    return reshape(sum(far.mul(real), [1]).div(counts), [examples, 1])
  }
}
