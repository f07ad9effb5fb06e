import type { Engine, Resident } from '../engine/index.ts'
import { input, maximum, minimum, type Shape, type Value } from '../graph/index.ts'
import { type Params, type Settings, settle } from '../objectives/index.ts'

/** Everything about an optimizer in one object, as objectives have it. */
export interface OptimizerDefinition<P extends Params = Params> {
  readonly name: string
  readonly about: string
  readonly source: string
  readonly params: P
  /** Names of the arrays it keeps beside each parameter, zeros at the start. */
  readonly state: (params: Settings<P>) => readonly string[]
  /** New `param` and state from the old ones, the clipped `grad`, the rate `lr` and the scalars; every value has one shape, or is a scalar. */
  readonly update: (given: Readonly<Record<string, Value>>, params: Settings<P>) => Readonly<Record<string, Value>>
  /** Further scalars, which change from step to step (counting from 1). */
  readonly scalars?: (step: number, params: Settings<P>) => Readonly<Record<string, number>>
}

/** An optimizer with its parameters settled; `lr` is among them. */
export interface Optimizer {
  readonly name: string
  readonly params: Readonly<Record<string, number | string>>
  readonly state: readonly string[]
  update(given: Readonly<Record<string, Value>>): Readonly<Record<string, Value>>
  scalars(step: number): Readonly<Record<string, number>>
  /**
   * In the place of one elementwise update after one gradient: a step that reads whole matrices (Muon), or takes the gradient twice (SAM).
   * It may still apply `update`.
   */
  step?(at: WholeStep): Promise<void>
}

/** What a step that is not elementwise works with; arrays by the parameter's name. */
export interface WholeStep {
  readonly engine: Engine
  readonly step: number
  readonly lr: number
  readonly params: Readonly<Record<string, Resident>>
  readonly grads: Readonly<Record<string, Resident>>
  /** The arrays that the optimizer keeps, by their names in `state`. */
  readonly state: Readonly<Record<string, Readonly<Record<string, Resident>>>>
  /** Takes the loss and the gradient of the step's examples again, where the parameters now are. */
  backward(): Promise<void>
  /** Applies the elementwise update to the gradient as it now is, clipped. */
  update(): Promise<void>
}

/** Makes an optimizer from its parameters; what it is stands in its definition. */
export interface OptimizerMaker<P extends Params> {
  (params?: Partial<Settings<P>>): Optimizer
  readonly definition: OptimizerDefinition<P>
}

/** Defines an optimizer: a function from parameters to it, with the definition on it. */
export function defineOptimizer<const P extends Params>(definition: OptimizerDefinition<P>): OptimizerMaker<P> {
  const { name, state, update, scalars } = definition
  const make = (given: Partial<Settings<P>> = {}): Optimizer => {
    const params = settle(name, definition.params, given, 'train.optimizer')
    return {
      name,
      params: params as Readonly<Record<string, number | string>>,
      state: state(params),
      update: (values) => update(values, params),
      scalars: (step) => scalars?.(step, params) ?? {},
    }
  }
  return Object.assign(make, { definition })
}

/**
 * The update of an optimizer traced over one array length: inputs `param`, `grad`, its state and the scalars by name. The gradient is
 * multiplied by `clip` first; `limited`, each of its entries is kept within ±`limit` instead.
 */
export function traceUpdate(optimizer: Optimizer, { shape = [4], limited = false }: { shape?: Shape; limited?: boolean } = {}) {
  const arrays = Object.fromEntries(['param', 'grad', ...optimizer.state].map((name) => [name, input(name, shape)]))
  const names = ['lr', limited ? 'limit' : 'clip', ...Object.keys(optimizer.scalars(1))]
  const scalars: Record<string, Value> = Object.fromEntries(names.map((name) => [name, input(name, [])]))
  const grad = limited ? maximum(minimum(arrays.grad!, scalars.limit!), scalars.limit!.neg()) : arrays.grad!.mul(scalars.clip!)
  return { inputs: { ...arrays, ...scalars }, outputs: optimizer.update({ ...arrays, ...scalars, grad }) }
}
