import type { AlarmRule } from './alarm.ts'

/** A goal of the prior whose stated direction the votes contradict; contribution.ts has the rule, and how often it is wrong. */
export const priorFights: AlarmRule = {
  name: 'prior.fights',
  about: 'a goal whose weight the votes alone put on the other side of 0',
  bound: 0,
  remedy: 'look whether the votes are meant so; then lower prior.strength or kappa, or turn the goal’s direction round',
  raise({ contribution }) {
    return (contribution?.weights ?? [])
      .filter(({ fighting }) => fighting)
      .map(({ goal, prior, votes: { mean, sd, z } }) => ({
        ...{ value: mean, low: mean - 1.96 * sd, high: mean + 1.96 * sd },
        why: `the prior expects ${goal} to weigh ${prior.mean.toFixed(2)}, and the votes alone say ${mean.toFixed(2)} (z = ${z.toFixed(1)})`,
      }))
  },
}
