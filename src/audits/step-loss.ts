import { isResident, type Program, type Resident } from '../engine/index.ts'
import { ancestors, type Graph, graph, hessianVectorProduct, input, type Tensor, type Value } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import type { Policy } from '../policy/index.ts'
import { askedOf, microInputs, planOf, type Step, type Stepping } from '../train/backward.ts'
import { longestOf } from '../train/inside.ts'
import { type MicroBatch, microBatches } from '../train/micro-batch.ts'
import { type TracedStep, traceStep } from '../train/step.ts'
import type { HeldLoss } from './held.ts'

/** Parameters by the names of their inputs (`params.blocks.1.mlp.up`). */
export type Parameters = Readonly<Record<string, Tensor>>

/** The loss of one step's examples as a function of the parameters: the step's own program, custom loss, edit, objective and all. */
export interface StepLoss {
  readonly precision: 'f64' | 'f32'
  /** The whole step as one graph; of several passes the first. */
  readonly traced: TracedStep
  /** The loss with some parameters in the place of the present ones. */
  loss(moved?: Parameters): Promise<number>
  /** The same of another loss, which is made of each pass's own and reads some of its values as they are now. */
  instead(make: (traced: TracedStep) => HeldLoss): Promise<(moved?: Parameters) => Promise<number>>
  /** Loss and gradient there, each shaped like its parameter. */
  gradient(moved?: Parameters): Promise<{ readonly loss: number; readonly gradient: Parameters }>
  /** The Hessian there times a direction, by exact products; of the parameters that the direction names. */
  curvature(direction: Parameters): Promise<Parameters>
  close(): Promise<void>
}

/** What a step's loss is taken of: its examples, and its number, by which what is drawn in it is drawn. */
export interface Taken {
  readonly now: readonly Example[]
  readonly step: number
}

/** The loss of a step by the ops' definitions in f64, from the parameters as they are now. */
export async function lossByDefinition(stepping: Stepping, { now, step }: Taken): Promise<StepLoss> {
  const packing = { ...stepping.packing, tokenBudget: roomFor(stepping, now), cost: { ...stepping.packing.cost!, run: 2 ** 40 } }
  const at = await stepAt(stepping, { now, step })
  const parts = await Promise.all(
    microBatches(stepping.objective, now, packing).map(async (micro) => {
      const traced = traceStep(planOf(stepping, now, micro))
      const inputs = await microInputs(stepping, at, micro, { graph: traced.graph })
      return { traced, share: micro.mine.length / now.length, given: await tensorsOf(stepping.policy, inputs) }
    }),
  )
  const opened = parts.map(({ traced, given, share }) => ({ share, traced, given, evaluated: openEvaluation(traced.graph.inputs, given) }))
  return {
    precision: 'f64',
    traced: parts[0]!.traced,
    async loss(moved = {}) {
      return opened.reduce((sum, { share, traced, evaluated }) => sum + share * evaluated.at(moved, [traced.loss])[0]!.data[0]!, 0)
    },
    async instead(make) {
      const others = opened.map(({ share, traced, given, evaluated }) => {
        const { loss, held } = make(traced)
        const places = Object.values(held)
        const was = evaluated.at({}, places.map(({ from }) => from)) // biome-ignore format: one line
        const values = Object.fromEntries(Object.keys(held).map((name, i) => [name, was[i]!]))
        const inputs = { ...traced.graph.inputs, ...inputsIn(held) }
        return { share, loss, evaluated: openEvaluation(inputs, { ...given, ...values }) }
      })
      return async (moved = {}) =>
        others.reduce((sum, { share, loss, evaluated }) => sum + share * evaluated.at(moved, [loss])[0]!.data[0]!, 0)
    },
    async gradient(moved = {}) {
      const sums: Record<string, Tensor> = {}
      let loss = 0
      for (const { share, traced, evaluated } of opened) {
        const names = Object.keys(traced.graph.outputs).filter((name) => name.startsWith('grad.'))
        const found = evaluated.at(moved, [traced.loss, ...names.map((name) => traced.graph.outputs[name]!)])
        loss += share * found[0]!.data[0]!
        names.forEach((name, i) => void addTo(sums, name.slice(5), found[i + 1]!))
      }
      return { loss, gradient: sums }
    },
    async curvature(direction) {
      const sums: Record<string, Tensor> = {}
      for (const { share, traced, given } of opened) {
        const { inputs, outputs } = productGraph(traced, Object.keys(direction))
        const along = Object.fromEntries(Object.entries(direction).map(([name, v]) => [`along.${name}`, inF64(v)]))
        const found = openEvaluation(inputs, { ...given, ...along }).at({}, Object.values(outputs))
        for (const [i, name] of Object.keys(outputs).entries()) addTo(sums, name.slice(7), found[i]!, share)
      }
      return sums
    },
    async close() {},
  }
}

/** The loss of a step by the engine in f32, which reads the parameters as they are whenever it is asked. */
export async function lossByEngine(stepping: Stepping, { now, step }: Taken): Promise<StepLoss> {
  const { engine } = stepping.policy
  const at = await stepAt(stepping, { now, step })
  const parts = await Promise.all(
    microBatches(stepping.objective, now, stepping.packing).map(async (micro) => {
      const traced = traceStep(planOf(stepping, now, micro))
      return { micro, traced, share: micro.mine.length / now.length }
    }),
  )
  const programs = new Map<Graph, Promise<Program>>()
  const products = new Map<TracedStep, Map<string, Graph>>()
  const compiled = (one: Graph) => {
    const known = programs.get(one) ?? engine.compile(one)
    programs.set(one, known)
    return known
  }
  const losses = parts.map(({ traced }) => only(traced.graph.inputs, { loss: traced.loss }))
  const run = async (micro: MicroBatch, one: Graph, moved: Parameters) => {
    const program = await compiled(one)
    return program.run(fitting(one, { ...(await microInputs(stepping, at, micro, program)), ...moved }))
  }
  const sumOver = async (graphs: readonly Graph[], moved: readonly Parameters[]) => {
    let loss = 0
    for (const [i, { micro, share }] of parts.entries()) loss += share * (await run(micro, graphs[i]!, moved[i]!)).loss!.data[0]!
    return loss
  }
  return {
    precision: 'f32',
    traced: parts[0]!.traced,
    loss: (moved = {}) => sumOver(losses, parts.map(() => moved)), // biome-ignore format: one line
    async instead(make) {
      const graphs: Graph[] = []
      const values: Parameters[] = []
      for (const { micro, traced } of parts) {
        const { loss, held } = make(traced)
        const from = Object.fromEntries(Object.entries(held).map(([name, place]) => [name, place.from]))
        values.push(Object.keys(from).length > 0 ? await run(micro, only(traced.graph.inputs, from), {}) : {})
        graphs.push(only({ ...traced.graph.inputs, ...inputsIn(held) }, { loss }))
      }
      return (moved = {}) => sumOver(graphs, values.map((was) => ({ ...was, ...moved }))) // biome-ignore format: one line
    },
    async gradient(moved = {}) {
      const sums: Record<string, Tensor> = {}
      let loss = 0
      for (const { micro, traced, share } of parts) {
        const found = await run(micro, traced.graph, moved)
        loss += share * found.loss!.data[0]!
        for (const [name, slope] of Object.entries(found)) if (name.startsWith('grad.')) addTo(sums, name.slice(5), slope)
      }
      return { loss, gradient: sums }
    },
    async curvature(direction) {
      const sums: Record<string, Tensor> = {}
      const names = Object.keys(direction)
      for (const { micro, traced, share } of parts) {
        const key = names.join()
        const known = products.get(traced) ?? new Map<string, Graph>()
        products.set(traced, known)
        const product = known.get(key) ?? productGraph(traced, names)
        known.set(key, product)
        const along = Object.fromEntries(names.map((name) => [`along.${name}`, inF32(direction[name]!)]))
        for (const [name, slope] of Object.entries(await run(micro, product, along))) addTo(sums, name.slice(7), slope, share)
      }
      return sums
    },
    async close() {
      for (const program of programs.values()) await (await program).close()
    },
  }
}

/** What the step feeds besides its examples; numbers carried from step to step begin anew. */
async function stepAt(stepping: Stepping, { now, step }: Taken): Promise<Step> {
  const asked = await askedOf(stepping, now)
  return { now, step, asked, carried: stepping.objective.kind.carry?.([], asked) ?? [] }
}

/** The Hessian of a traced loss times a direction, which comes in as `along.NAME`. */
function productGraph({ loss, graph: { inputs } }: TracedStep, names: readonly string[]): Graph {
  const chosen = Object.fromEntries(names.map((name) => [name, inputs[name]!]))
  const along = Object.fromEntries(names.map((name) => [name, input(`along.${name}`, inputs[name]!.shape)]))
  const products = Object.entries(hessianVectorProduct(loss, chosen, along)).map(([name, value]) => [`curved.${name}`, value] as const)
  return only({ ...inputs, ...Object.fromEntries(names.map((name) => [`along.${name}`, along[name]!])) }, Object.fromEntries(products))
}

/** A graph of some outputs, with the inputs that they need. */
function only(inputs: Graph['inputs'], outputs: Graph['outputs']): Graph {
  const needed = new Set(ancestors(Object.values(outputs)))
  return graph(Object.fromEntries(Object.entries(inputs).filter(([, value]) => needed.has(value))), outputs)
}

function inputsIn(held: HeldLoss['held']): Record<string, Value> {
  return Object.fromEntries(Object.entries(held).map(([name, { input }]) => [name, input]))
}

function fitting(one: Graph, inputs: Readonly<Record<string, Tensor | Resident>>): Record<string, Tensor | Resident> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => name in one.inputs))
}

/** Positions for all examples in one pass, where they need not be apart. */
function roomFor({ packing }: Stepping, now: readonly Example[]): number {
  return now.reduce((sum, { tree }) => sum + longestOf([tree]), packing.tokenBudget!)
}

async function tensorsOf({ engine }: Policy, inputs: Readonly<Record<string, Tensor | Resident>>): Promise<Parameters> {
  return Object.fromEntries(
    await Promise.all(
      Object.entries(inputs).map(async ([name, given]) => [name, inF64(isResident(given) ? await engine.read(given) : given)] as const),
    ),
  )
}

function inF64(one: Tensor): Tensor {
  return one.dtype === 'f32' ? { ...one, data: Float64Array.from(one.data) } : one
}

function inF32(one: Tensor): Tensor {
  return { ...one, data: Float32Array.from(one.data) }
}

function addTo(sums: Record<string, Tensor>, name: string, { data, ...type }: Tensor, share = 1): void {
  const sum = (sums[name] ??= { ...type, data: new Float64Array(data.length) })
  for (let i = 0; i < data.length; i++) sum.data[i]! += share * data[i]!
}

/** Values evaluated once, and then again where a parameter moved: only what depends on it is computed anew. */
function openEvaluation(inputs: Graph['inputs'], given: Parameters) {
  const base = new Map<Value, Tensor>(Object.entries(inputs).map(([name, value]) => [value, given[name]!]))
  const compute = (order: readonly Value[], known: Map<Value, Tensor>, stale?: ReadonlySet<Value>) => {
    for (const value of order) {
      if (known.has(value)) continue
      const settled = stale && !stale.has(value) ? base.get(value) : undefined
      known.set(value, settled ?? value.op.eval(Object.fromEntries(inputsOf(value, known)), value.attrs))
    }
  }
  return {
    at(moved: Parameters, roots: readonly Value[]): Tensor[] {
      const order = ancestors(roots)
      compute(order, base)
      if (Object.keys(moved).length === 0) return roots.map((root) => base.get(root)!)
      const known = new Map(Object.entries(moved).map(([name, now]) => [inputs[name]!, inF64(now)] as const))
      const stale = new Set(known.keys())
      for (const value of order) if (Object.values(value.inputs).some((from) => stale.has(from))) stale.add(value)
      compute(order, known, stale)
      return roots.map((root) => known.get(root)!)
    },
  }
}

function inputsOf({ inputs }: Value, known: ReadonlyMap<Value, Tensor>): [string, Tensor][] {
  return Object.entries(inputs).map(([name, from]) => [name, known.get(from)!])
}
