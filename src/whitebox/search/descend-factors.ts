import type { Aim } from './descend.ts'
import { type Changes, norm } from './edit-form.ts'
import type { FactorForm } from './factor-form.ts'
import { type Lbfgs, lbfgs, type Smooth } from './lbfgs.ts'
import type { Searched, Wanted } from './searched.ts'

export interface FactorAim extends Aim {
  /** Weight of ½‖δ‖². */
  readonly lambda: number
  /** What the control KL costs beyond its budget, in nats of the target's loss. */
  readonly weight: number
  /** Share of the budget above which the control KL costs something; below 1, since held-out texts cost more than those searched on. */
  readonly holdTo: number
  /** Share of the batches that are read; the first ones. */
  readonly share?: number
}

/** By how much the KL on control texts may grow faster than expected without being read. */
const surely = 2

/** E_target[loss] + ½λ·‖δ‖² + w·max(0, E_control[KL]/(holdTo·budget) − 1)² as a function of whitened factors, over all texts at once. */
export function factorLoss(
  searched: Searched,
  form: FactorForm,
  { target, control, budget, lambda, weight, holdTo, share = 1 }: FactorAim,
): Smooth {
  const mean = async (of: Wanted, slopes: boolean) => {
    const count = Math.ceil(share * of.batches)
    let loss = 0
    const sum: Record<string, Float64Array> = {}
    for (let batch = 0; batch < count; batch++) {
      const found = slopes ? await of.slope(batch, form.sites) : { loss: await of.loss(batch), slopes: {} }
      loss += found.loss / count
      for (const [name, slope] of Object.entries(found.slopes)) {
        const into = (sum[name] ??= new Float64Array(slope.length))
        for (let i = 0; i < slope.length; i++) into[i]! += slope[i]! / count
      }
    }
    return { loss, slopes: sum }
  }
  let known: { readonly size: number; readonly cost: number } | undefined
  return async (at) => {
    const changes = form.changes(at)
    const size = norm(...Object.values(changes))
    await searched.put(changes)
    const gain = await mean(target, true)
    let value = gain.loss + 0.5 * lambda * size ** 2
    const total: Record<string, Float64Array> = gain.slopes
    if (lambda > 0) add(total, changes, lambda)
    // A KL grows with the square of what causes it, so far below the budget it need not be read again.
    if (size > 0 && !(known && known.cost * (surely * size) ** 2 < holdTo * budget * known.size ** 2)) {
      known = { size, cost: (await mean(control, false)).loss }
      const over = known.cost / (holdTo * budget) - 1
      if (over > 0) {
        value += weight * over ** 2
        add(total, (await mean(control, true)).slopes, (2 * weight * over) / (holdTo * budget))
      }
    }
    return { value, slope: form.slope(at, total) }
  }
}

function add(into: Record<string, Float64Array>, from: Changes, by: number): void {
  for (const [name, x] of Object.entries(from)) for (let i = 0; i < x.length; i++) into[name]![i]! += by * x[i]!
}

/** A descent ends where so many steps brought little. */
const within = 5

/** Descends from whitened factors until five steps bring less than the share `little`, or until the value is below `enough`; what is returned can be continued. */
export async function descendFactors(
  smooth: Smooth,
  start: Float64Array | Lbfgs,
  steps: number,
  {
    enough = 0,
    little = 0.01,
    onStep,
  }: { readonly enough?: number; readonly little?: number; readonly onStep?: (step: number, of: number) => void } = {},
): Promise<Lbfgs> {
  const descent = start instanceof Float64Array ? await lbfgs(smooth, start) : start
  const values = [descent.value]
  for (let step = 1; step <= steps; step++) {
    const moved = await descent.step()
    values.push(descent.value)
    const ends =
      !moved || descent.value < enough || (step > within && values.at(-1 - within)! - descent.value < little * Math.abs(descent.value))
    onStep?.(ends ? steps : step, steps)
    if (ends) break
  }
  return descent
}
