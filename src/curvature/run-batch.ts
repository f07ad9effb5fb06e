import type { Resident } from '../engine/index.ts'
import { ancestors, type Graph, graph, type Shape, type Tensor, UserError, type Value } from '../graph/index.ts'
import type { Batch, Tree } from '../policy/index.ts'
import { type Risk, trained } from './risk.ts'
import { riskInputs, sizeOfBatch, type TracedRisk, traceRisk } from './trace-risk.ts'

/** A quantity of one batch: a name for its program, what it is of the traced losses, and what it reads besides. */
export interface Quantity {
  readonly name: string
  /** Outputs by the name of the parameter that they belong to. */
  readonly make?: (traced: TracedRisk) => {
    readonly outputs: Readonly<Record<string, Value>>
    readonly inputs?: Readonly<Record<string, Value>>
  }
  readonly feeds?:
    | Readonly<Record<string, Tensor | Resident>>
    | ((batch: Batch, inputs: readonly string[]) => Promise<Readonly<Record<string, Tensor | Resident>>>)
}

/** What a batch gave. */
export interface BatchResult {
  /** One for each tree. */
  readonly losses: readonly number[]
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly marks: readonly string[]
}

/**
 * Computes a quantity of one batch, into where `into` says, or new memory.
 *
 * throws  UserError for a gradient mark between losses and parameters that was not allowed, and as traceRisk
 */
export async function runBatch(
  risk: Risk,
  batch: Batch,
  trees: readonly Tree[],
  { name, make, feeds = {} }: Quantity,
  into?: (name: string, shape: Shape) => Tensor,
): Promise<BatchResult> {
  const size = sizeOfBatch(batch)
  const trace = () => {
    const traced = traceRisk(risk, size)
    const { outputs, inputs } = make?.(traced) ?? { outputs: {} }
    const renamed = Object.entries(outputs).map(([parameter, value]) => [`of.${parameter}`, value] as const)
    return graph({ ...traced.inputs, ...inputs }, { ...Object.fromEntries(renamed), [LOSSES]: traced.losses })
  }
  const key = `risk.${name} ${JSON.stringify(size)} ${chosenOf(risk)}`
  const program = await risk.policy.program(key, trace, [risk.loss])
  const marks = marksOf(program.graph, risk)
  if (marks.length > 0 && risk.marks !== 'allow')
    throw new UserError(
      `risk: no gradient mark may lie between the loss and the parameters, got ${marks.join('; ')}; what is measured there is no derivative of the loss: say marks: 'allow' to measure it all the same`,
    )
  const fed = typeof feeds === 'function' ? await feeds(batch, Object.keys(program.graph.inputs)) : feeds
  const own = Object.entries(program.graph.outputs).filter(([output]) => output !== LOSSES)
  const places = into ? Object.fromEntries(own.map(([output, { shape }]) => [output, into(output, shape)])) : {}
  const { [LOSSES]: losses, ...returned } = await program.run({ ...riskInputs(risk, batch, trees), ...fed }, places)
  const outputs = { ...places, ...returned }
  return {
    losses: [...losses!.data],
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name.slice(3), value])),
    marks,
  }
}

const LOSSES = 'the losses'

/** Which parameters are asked for, in few letters: functions that choose the same share a program. */
function chosenOf({ policy, wrt = trained(policy) }: Risk): string {
  return Object.keys(policy.given)
    .map((name) => (wrt(name) ? 1 : 0))
    .join('')
}

/** Why the chain rule does not hold somewhere between the losses and the parameters asked for. */
function marksOf({ inputs, outputs }: Graph, { policy, wrt = trained(policy) }: Risk): string[] {
  const leads = new Set(Object.entries(inputs).flatMap(([name, value]) => (name in policy.given && wrt(name) ? [value] : [])))
  const found = new Set<string>()
  for (const value of ancestors([outputs[LOSSES]!])) {
    if (!Object.values(value.inputs).some((from) => leads.has(from))) continue
    leads.add(value)
    if (value.op.mark) found.add(`${value.op.name} (${value.op.mark})`)
  }
  return [...found]
}
