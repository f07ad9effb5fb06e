import type { Resident } from '../engine/index.ts'
import { type Tensor, tensor } from '../graph/index.ts'
import type { AuditRow } from '../runs/index.ts'
import { clipFactors } from '../train/clip.ts'
import { type Around, clipFrom, type StepAt } from '../train/index.ts'
import type { AuditOptions } from './audit.ts'
import { audits } from './audits.ts'
import { sumOfSquares } from './directions.ts'
import type { Parameters } from './step-loss.ts'
import type { AuditTarget } from './target.ts'
import type { StepSeen } from './walk.ts'

/** Most entries of a tensor that are kept of a step, spread over it: what is read of a large model is soon gone. */
const most = 1024

function spread({ data, dtype }: Tensor): Tensor {
  if (data.length <= most) return { dtype, shape: [data.length], data }
  const kept = new Float32Array(most)
  for (let i = 0; i < most; i++) kept[i] = data[Math.floor((i * data.length) / most)]!
  return tensor(kept, [most])
}

/**
 * The audits of steps, as a training goes: every so many steps its gradient, its parameters before and after and what the optimizer keeps are read.
 * `rows` says what came of the steps so far.
 */
export async function watchSteps(
  target: AuditTarget,
  every: number,
  options: AuditOptions,
): Promise<{ readonly around: Around; rows(): Promise<AuditRow[]> }> {
  const { engine } = target.training.policy
  const watched = await Promise.all(audits.flatMap(({ watch }) => (watch ? [watch(target, options)] : [])))
  const clip = clipFrom(target.training.clip)
  type Begun = Pick<StepSeen, 'gradient' | 'before' | 'factors'> & Required<Pick<StepSeen, 'moments'>>
  let begun: Begun | undefined
  const readAll = async (of: Readonly<Record<string, Resident>>, see?: (name: string, whole: Tensor) => void): Promise<Parameters> => {
    const found: Record<string, Tensor> = {}
    for (const [name, resident] of Object.entries(of)) {
      const whole = await engine.read(resident)
      see?.(name.replace(/^grad\./, ''), whole)
      found[name.replace(/^grad\./, '')] = spread(whole)
    }
    return found
  }
  return {
    around: {
      every,
      async before({ state }: StepAt) {
        const moments: Record<string, Parameters> = {}
        for (const [key, of] of Object.entries(state.moments)) moments[key] = await readAll(of)
        const squares = new Map<string, number>()
        const gradient = await readAll(state.grads, (name, { data }) => squares.set(name, sumOfSquares(data)))
        begun = { gradient, before: await readAll(state.trainable), moments, factors: clipFactors(clip, squares) }
      },
      async after({ step, now, loss, lr, state }) {
        const seen: StepSeen = { ...begun!, step, now, loss, lr, clip, after: await readAll(state.trainable) }
        begun = undefined
        for (const { see } of watched) await see(seen)
      },
    },
    rows: async () => (await Promise.all(watched.map(({ rows }) => rows()))).flat(),
  }
}
