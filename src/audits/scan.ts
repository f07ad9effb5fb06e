import { ancestors, input, type Value } from '../graph/index.ts'

/** A place between trained tensors and the loss where the gradient is not the derivative, or where none passes. */
export interface Mark {
  readonly value: Value
  readonly op: string
  readonly why: string
  /** Where it is, in words: after which tap. */
  readonly where: string
  /** Which of its inputs lead back to a tensor and get no gradient. */
  readonly blocked: readonly string[]
}

/** What a static scan finds of one tensor. */
export interface Scanned {
  /** Whether the loss depends on it at all. */
  readonly read: boolean
  /** Whether a gradient reaches it. */
  readonly reached: boolean
  /** The marks on its ways to the loss. */
  readonly marks: readonly Mark[]
}

/**
 * Reads a loss's graph without running it: of each tensor, whether the loss depends on it, whether a gradient reaches it, and every place
 * between them where that gradient is declared, or stopped, or where an op has none.
 */
export function scan(loss: Value, tensors: Readonly<Record<string, Value>>): ReadonlyMap<string, Scanned> {
  const order = ancestors([loss])
  const uses = usesOf(order)
  const whole = new Set(order)
  const open = openTo(loss)
  const where = placesOf(order)
  const marks = new Map<Value, Mark>()
  for (const tensor of Object.values(tensors)) {
    if (!whole.has(tensor)) continue
    for (const value of after(tensor, uses)) {
      if (marks.has(value) || !open.has(value)) continue
      // Of what reads an index, the op that made it of numbers is the place.
      const blocked = blockedInputs(value).filter((name) => value.inputs[name]!.dtype === 'f32')
      if (blocked.length > 0 || value.op.mark !== undefined)
        marks.set(value, { value, op: value.op.name, why: value.op.mark ?? noGradient(value), where: where.get(value)!, blocked })
    }
  }
  return new Map(Object.entries(tensors).map(([name, tensor]) => [name, ofTensor(tensor, whole, uses, marks)]))
}

function ofTensor(
  tensor: Value,
  whole: ReadonlySet<Value>,
  uses: ReadonlyMap<Value, readonly Value[]>,
  marks: ReadonlyMap<Value, Mark>,
): Scanned {
  if (!whole.has(tensor)) return { read: false, reached: false, marks: [] }
  const downstream = after(tensor, uses)
  const own = [...downstream].flatMap((value) => {
    const mark = marks.get(value)
    // A place that reads the tensor only where its gradient passes as derived is none on its way.
    return mark && (value.op.mark !== undefined || leadsIn(value, mark.blocked, tensor, downstream)) ? [mark] : []
  })
  return { read: true, reached: reaches(tensor, uses), marks: own }
}

function leadsIn(value: Value, names: readonly string[], tensor: Value, downstream: ReadonlySet<Value>): boolean {
  return names.some((name) => value.inputs[name] === tensor || downstream.has(value.inputs[name]!))
}

/** Whether some way from here to the loss passes a gradient on everywhere. */
function reaches(tensor: Value, uses: ReadonlyMap<Value, readonly Value[]>): boolean {
  const seen = new Set<Value>([tensor])
  const waiting = [tensor]
  while (waiting.length > 0) {
    const value = waiting.pop()!
    const users = uses.get(value)
    if (!users) return true
    for (const user of users) {
      const blocked = blockedInputs(user)
      const passes = Object.entries(user.inputs).some(([name, from]) => from === value && !blocked.includes(name))
      if (!passes || seen.has(user)) continue
      seen.add(user)
      waiting.push(user)
    }
  }
  return false
}

/** What the loss is computed from otherwise than as the value that a straight-through or a hand-written gradient stands for. */
function openTo(loss: Value): Set<Value> {
  const seen = new Set<Value>([loss])
  const waiting = [loss]
  while (waiting.length > 0) {
    const value = waiting.pop()!
    const covered = value.op.name === 'straightThrough' ? 'target' : value.op.name === 'withGradient' ? 'y' : undefined
    for (const [name, from] of Object.entries(value.inputs)) {
      if (name === covered || seen.has(from)) continue
      seen.add(from)
      waiting.push(from)
    }
  }
  return seen
}

/** Everything that is computed from a value. */
function after(value: Value, uses: ReadonlyMap<Value, readonly Value[]>): Set<Value> {
  const seen = new Set<Value>()
  const waiting = [...(uses.get(value) ?? [])]
  while (waiting.length > 0) {
    const next = waiting.pop()!
    if (seen.has(next)) continue
    seen.add(next)
    waiting.push(...(uses.get(next) ?? []))
  }
  return seen
}

/** Who reads each value; of the loss nobody does. */
function usesOf(order: readonly Value[]): Map<Value, Value[]> {
  const uses = new Map<Value, Value[]>()
  for (const value of order)
    for (const from of Object.values(value.inputs)) {
      const known = uses.get(from)
      if (known) known.push(value)
      else uses.set(from, [value])
    }
  return uses
}

/** The inputs that an op passes no gradient to, found by asking its own rule; a composite's parts are only named, so they count as passed. */
function blockedInputs(value: Value): readonly string[] {
  const known = blockedOf.get(value)
  if (known) return known
  const names = Object.keys(value.inputs)
  const passed = !value.op.grad
    ? []
    : value.op.name === 'composite'
      ? names
      : Object.keys(value.op.grad({ ...value.inputs, dy: input('dy', value.shape), y: value } as never, value.attrs))
  // A square, x times x, passes all of it at one of the two.
  const reached = new Set(passed.map((name) => value.inputs[name]))
  const blocked = names.filter((name) => !reached.has(value.inputs[name]))
  blockedOf.set(value, blocked)
  return blocked
}
const blockedOf = new WeakMap<Value, readonly string[]>()

function noGradient({ op }: Value): string {
  return op.name === 'argMax' ? 'hard choice: no gradient passes' : `${op.name} passes no gradient`
}

/** Of each value the last tap that it is computed from. */
function placesOf(order: readonly Value[]): Map<Value, string> {
  const last = new Map<Value, Value | undefined>()
  for (const value of order) {
    const taps = [...(value.op.name === 'tap' ? [value] : []), ...Object.values(value.inputs).flatMap((from) => last.get(from) ?? [])]
    last.set(value, taps.length === 0 ? undefined : taps.reduce((a, b) => (a.id > b.id ? a : b)))
  }
  return new Map(order.map((value) => [value, last.get(value) ? `after ${last.get(value)!.attrs.name}` : 'before the first tap']))
}
