import { ancestors, type Value } from '../graph/index.ts'

/**
 * How a parameter is read at one place, where the gradient of one text can be told from the others':
 * - `products`: its gradient is Σ over positions of left ⊗ right, both known at each position, left of the parameter's rows;
 * - `rows`: the same, with one row picked at each position;
 * - `spread`: it is combined with each position alike, entry by entry; the gradient at each position is summed.
 */
export type Use =
  | { readonly kind: 'products'; readonly other: Value; readonly output: Value; readonly transposed: boolean }
  | { readonly kind: 'rows'; readonly index: Value; readonly output: Value }
  | { readonly kind: 'spread'; readonly slot: string; readonly output: Value }

/** Every place where losses read a parameter; undefined where one of them is of none of these kinds. */
export function usesOf(parameter: Value, consumers: ReadonlyMap<Value, readonly Value[]>): Use[] | undefined {
  const found: Use[] = []
  for (const consumer of consumers.get(parameter) ?? []) {
    const uses = usesBy(parameter, consumer, consumers)
    if (!uses) return undefined
    found.push(...uses)
  }
  return found
}

/** What reads each value on the way to the losses. */
export function consumersOf(losses: Value): Map<Value, Value[]> {
  const found = new Map<Value, Value[]>()
  for (const value of ancestors([losses]))
    for (const read of new Set(Object.values(value.inputs))) found.set(read, [...(found.get(read) ?? []), value])
  return found
}

function usesBy(parameter: Value, consumer: Value, consumers: ReadonlyMap<Value, readonly Value[]>): Use[] | undefined {
  const { op, inputs, attrs, shape } = consumer
  const rank = parameter.shape.length
  if (op.name === 'takeRows' && inputs.x === parameter && rank === 2 && inputs.index!.op.name === 'input')
    return [{ kind: 'rows', index: inputs.index!, output: consumer }]
  if (op.name === 'matmul' && rank === 2) return product(parameter, consumer, true)
  if (op.name === 'transpose' && rank === 2 && String(attrs.perm) === '1,0') {
    const all = (consumers.get(consumer) ?? []).map((next) => (next.op.name === 'matmul' ? product(consumer, next, false) : undefined))
    return all.every((one) => one !== undefined) ? all.flat() : undefined
  }
  if (rank !== 1) return undefined
  // A constant that is added, as to the weight of a norm that stands around zero, leaves the gradient as it is.
  if (op.name === 'add' && shape.length === 1 && Object.values(inputs).some((value) => value.op.name === 'constant'))
    return usesOf(consumer, consumers)
  const slots = Object.keys(inputs).filter((slot) => inputs[slot] === parameter)
  if (!['add', 'mul'].includes(op.name) || slots.length !== 1 || shape.length < 2 || shape.at(-1) !== parameter.shape[0]) return undefined
  return [{ kind: 'spread', slot: slots[0]!, output: consumer }]
}

/** A product of rows, one for each position, with a matrix; `transposed` says that the parameter is that matrix as it is, [in, out]. */
function product(matrix: Value, consumer: Value, transposed: boolean): Use[] | undefined {
  const { a, b } = consumer.inputs
  if (b !== matrix || a === matrix || a!.shape.length !== 2) return undefined
  return [{ kind: 'products', other: a!, output: consumer, transposed }]
}
