import { evaluate, graph, type Tensor, tensor } from '../graph/index.ts'
import { type Optimizer, optimizers, traceUpdate } from '../train/index.ts'
import type { AuditTarget } from './target.ts'
import type { StepSeen } from './walk.ts'

/** What the real steps did to a tensor beside what the optimizer's own update does with the same gradients. */
export interface UpdateSeen {
  /** Share of its entries that hardly moved although the update moves them. */
  readonly stalled: number
  /** Length of the real moves beside that of the update's. */
  readonly ratio: number
  /** Relative difference of the two, over all steps. */
  readonly apart: number
  /** Cosine of the two, over all steps. */
  readonly cosine: number
  /** Whether its bytes are what they were before the first step. */
  readonly same: boolean
  /** Whether the update moves it at all. */
  readonly moves: boolean
}

/** Most entries of a tensor that are followed; an elementwise update treats all alike. */
const most = 4096

/** Compares the real steps of a target with the update that its optimizer names, tensor by tensor. */
export function openUpdates(target: AuditTarget): { see(step: StepSeen): void; updates(): ReadonlyMap<string, UpdateSeen> } {
  const known = opened.get(target)
  if (known) return known
  const declared = declaredUpdate(target.training.optimizer)
  // Where no step is seen every tensor is followed all the same, at no entry.
  const followed = new Map(target.tensors.map(({ name }) => [name, openTensor(0, declared)]))
  let begun = false
  let last = 0
  const made = {
    see(step: StepSeen) {
      // Several audits see the same step.
      if (step.step === last) return
      last = step.step
      if (!begun) for (const { name, input } of target.tensors) followed.set(name, openTensor(step.gradient[input]!.data.length, declared))
      begun = true
      for (const { name, input } of target.tensors) followed.get(name)!.see(step, input)
    },
    updates: () => new Map([...followed].map(([name, one]) => [name, one.seen()])),
  }
  opened.set(target, made)
  return made
}
const opened = new WeakMap<AuditTarget, ReturnType<typeof openUpdates>>()

/** The update of the optimizer that a name stands for, whoever wrote what runs; of a name of its own, its own. */
function declaredUpdate(optimizer: Optimizer): Optimizer {
  const make = Object.hasOwn(optimizers, optimizer.name) ? optimizers[optimizer.name as keyof typeof optimizers] : undefined
  return make ? (make as (params: Readonly<Record<string, unknown>>) => Optimizer)(optimizer.params) : optimizer
}

function openTensor(size: number, optimizer: Optimizer) {
  const count = Math.min(size, most)
  // A tensor that comes with some of its entries alone has them spread over it already.
  const pick = ({ data }: Tensor) => Float64Array.from({ length: count }, (_, i) => data[Math.floor((i * data.length) / count)]!)
  let state: Record<string, Tensor> = Object.fromEntries(optimizer.state.map((key) => [key, tensor(new Float64Array(count), [count])]))
  const [real, wanted, rounding] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)]
  const sums = { real: 0, wanted: 0, apart: 0, both: 0, noise: 0 }
  let same = true
  return {
    see({ step, lr, clip, gradient, factors, before, after, moments }: StepSeen, name: string) {
      const limited = 'value' in clip
      const { inputs, outputs } = traceUpdate(optimizer, { shape: [count], limited })
      const [was, is] = [pick(before[name]!), pick(after[name]!)]
      const scalars = { lr, ...(limited ? { limit: clip.value } : { clip: factors.get(name)! }), ...optimizer.scalars(step) }
      const kept = moments ?? {}
      const held = Object.fromEntries(Object.entries(kept).map(([key, of]) => [key, tensor(pick(of[name]!), [count])]))
      const found = evaluate(graph(inputs, outputs), {
        ...{ param: tensor(was, [count]), grad: tensor(pick(gradient[name]!), [count]), ...state, ...held },
        ...Object.fromEntries(Object.entries(scalars).map(([key, x]) => [key, tensor([x], [])])),
      })
      const { param, ...rest } = found
      state = rest
      for (let i = 0; i < count; i++) {
        const [a, b] = [is[i]! - was[i]!, param!.data[i]! - was[i]!]
        real[i]! += Math.abs(a)
        wanted[i]! += Math.abs(b)
        const unit = Math.abs(was[i]!) * 2 ** -23
        rounding[i]! += unit
        sums.real += a * a
        sums.wanted += b * b
        sums.both += a * b
        sums.apart += (a - b) ** 2
        sums.noise += unit * unit
      }
      const [all, now] = [before[name]!.data, after[name]!.data]
      if (same) for (let i = 0; i < all.length; i++) if (!Object.is(all[i], now[i])) same = false
    },
    seen(): UpdateSeen {
      const moved = [...wanted].flatMap((w, i) => (w > 4 * rounding[i]! ? [i] : []))
      const stalled = moved.filter((i) => real[i]! <= 1e-3 * wanted[i]!).length
      const [length, own] = [Math.sqrt(sums.real), Math.sqrt(sums.wanted)]
      const apart = Math.sqrt(Math.max(0, sums.apart - sums.noise))
      return {
        stalled: moved.length === 0 ? 0 : stalled / moved.length,
        ratio: own > 0 ? length / own : length > 0 ? Number.POSITIVE_INFINITY : 1,
        apart: own > 0 ? apart / own : apart > 0 ? 1 : 0,
        cosine: length > 0 && own > 0 ? sums.both / (length * own) : 1,
        same,
        moves: moved.length > 0,
      }
    },
  }
}
