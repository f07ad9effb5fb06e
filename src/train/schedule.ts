import { UserError } from '../graph/index.ts'

/** How the learning rate moves over a run; `warmup` steps rise linearly from 0 first. */
export interface Schedule {
  readonly name: 'constant' | 'linear' | 'cosine'
  readonly warmup: number
}

/**
 * A schedule from how a recipe writes it: `'cosine'`, or `{ name: 'linear', warmup: 10 }`.
 *
 * throws  UserError when the name is not one of the three, or warmup is no number of steps
 */
export function scheduleFrom(given: string | { readonly name: string; readonly warmup?: number }): Schedule {
  const { name, warmup = 0 } = typeof given === 'string' ? { name: given } : given
  if (name !== 'constant' && name !== 'linear' && name !== 'cosine')
    throw new UserError(`train.schedule: must be constant, linear or cosine, got ${JSON.stringify(name)}`)
  if (!Number.isInteger(warmup) || warmup < 0) throw new UserError(`train.schedule.warmup: must be a whole number of steps, got ${warmup}`)
  return { name, warmup }
}

/** The factor on the learning rate at a step, counting from 1, of `steps` in all; linear and cosine end at 0 after the last. */
export function rateAt({ name, warmup }: Schedule, step: number, steps: number): number {
  if (step <= warmup) return step / warmup
  if (name === 'constant') return 1
  const done = (step - 1 - warmup) / Math.max(1, steps - warmup)
  return name === 'linear' ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2
}

/**
 * Makes sure that the rate is reached.
 *
 * throws  UserError when the warmup is longer than the run
 */
export function checkWarmup({ warmup }: Schedule, steps: number) {
  if (warmup > steps)
    throw new UserError(
      `train.schedule.warmup: must be at most the run's ${steps} steps, so that the learning rate is reached, got ${warmup}; lower it, or train longer`,
    )
}
