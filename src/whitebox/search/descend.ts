import { random } from '../../random/index.ts'
import type { Changes, EditForm } from './edit-form.ts'
import type { Searched, Wanted } from './searched.ts'
import { shrink } from './shrink.ts'

/** What an edit is searched for: texts where the loss should fall, texts that should be predicted as before, and what that may cost. */
export interface Aim {
  readonly target: Wanted
  readonly control: Wanted
  /** The most KL on control texts, nats per token. */
  readonly budget: number
}

export interface Descend {
  readonly steps: number
  /** Weight of the size in the loss, and the parts that are one group; each part alone where left out. */
  readonly lambda?: number
  readonly groups?: readonly (readonly string[])[]
  readonly seed: number
  readonly onStep?: (step: number, of: number) => void
}

/** Share of the budget that the weight of the control loss holds to, since held-out texts cost more than those searched on. */
const holdTo = 0.7
const [decay1, decay2] = [0.9, 0.98]

/**
 * Descends E_target[loss] + μ·E_control[KL] + λ·Σ_g ‖δ_g‖ in the parts of an edit, and leaves the model under what it came to. Adam, by entry for factors, else with one scale for all
 * entries of a group, so that the proximal step is exact in its metric; μ rises while the control KL is above 0.7 of its budget, and falls while it is below.
 * What is returned are the mean losses of the second half of the steps.
 *
 * source  Kingma and Ba 2014, arXiv:1412.6980; the proximal step: shrink
 */
export async function descend(
  searched: Searched,
  form: EditForm,
  { target, control, budget }: Aim,
  how: Descend,
): Promise<{ readonly target: number; readonly control: number }> {
  const { steps, lambda = 0, seed, onStep } = how
  const names = Object.keys(form.parts)
  const groups = how.groups ?? names.map((name) => [name])
  const first = Object.fromEntries(names.map((name) => [name, new Float64Array(form.parts[name]!.length)]))
  const squares = Object.fromEntries(names.map((name) => [name, new Float64Array(form.byEntry ? form.parts[name]!.length : 0)]))
  const second = groups.map(() => 0)
  const batches = [dealer(target.batches, seed, 'target'), dealer(control.batches, seed, 'control')] as const
  let mu = 0.03
  const last = { target: 0, control: 0, steps: 0 }
  for (let step = 1; step <= steps; step++) {
    await searched.put(form.changes())
    const gain = await target.slope(batches[0]())
    const cost = await control.slope(batches[1]())
    mu = Math.min(1e5, Math.max(1e-3, mu * Math.exp(0.15 * Math.max(-1, Math.min(1, cost.loss / (holdTo * budget) - 1)))))
    if (step > steps / 2) {
      last.target += gain.loss
      last.control += cost.loss
      last.steps++
    }
    const pulled = form.pull(sumOf(gain.slopes, cost.slopes, mu))
    const rate = Math.cos((Math.PI / 2) * ((step - 1) / steps)) ** 2
    for (const [g, group] of groups.entries()) {
      let square = 0
      for (const name of group) for (const x of pulled[name]!) square += x * x
      second[g] = decay2 * second[g]! + (1 - decay2) * square
      const length = Math.sqrt(second[g]! / (1 - decay2 ** step))
      if (!(length > 0)) continue
      const by = (rate * Math.max(...group.map((name) => form.reach[name]!))) / length
      for (const name of group) {
        const [part, slope, m, v] = [form.parts[name]!, pulled[name]!, first[name]!, squares[name]!]
        const each = (rate * form.reach[name]!) / Math.sqrt(part.length)
        for (let i = 0; i < part.length; i++) {
          m[i] = decay1 * m[i]! + (1 - decay1) * slope[i]!
          if (form.byEntry) v[i] = decay2 * v[i]! + (1 - decay2) * slope[i]! ** 2
          const over = form.byEntry ? each / Math.max(Math.sqrt(v[i]! / (1 - decay2 ** step)), 1e-30) : by
          part[i]! -= (over * m[i]!) / (1 - decay1 ** step)
        }
      }
      if (lambda > 0)
        shrink(
          group.map((name) => form.parts[name]!),
          by * lambda,
        )
    }
    form.settle?.()
    onStep?.(step, steps)
  }
  await searched.put(form.changes())
  return { target: last.target / last.steps, control: last.control / last.steps }
}

function sumOf(a: Changes, b: Changes, mu: number): Changes {
  return Object.fromEntries(Object.entries(a).map(([name, x]) => [name, x.map((v, i) => v + mu * b[name]![i]!)]))
}

/** Batches in an order drawn anew each time round. */
function dealer(count: number, seed: number, name: string): () => number {
  let left: number[] = []
  let round = 0
  return () => {
    if (left.length === 0) left = random(seed, `search/${name}/${round++}`).shuffled([...Array(count).keys()])
    return left.pop()!
  }
}
