import type { Value } from '../graph/index.ts'

/** Whether a value's numbers are those of its input, in their order: a reshape, or a transpose that only moves axes of one. */
export function movesNothing({ op, attrs, inputs }: Value): boolean {
  if (op.name === 'reshape') return true
  if (op.name !== 'transpose') return false
  const long = (attrs.perm as readonly number[]).filter((axis) => inputs.x!.shape[axis] !== 1)
  return long.every((axis, i) => i === 0 || axis > long[i - 1]!)
}

/** The value without its names. */
export function bare(value: Value): Value {
  return value.op.name === 'tap' ? bare(value.inputs.x!) : value
}

/** Where a value's numbers come from, in whatever shape. */
export function flat(value: Value): Value {
  return value.op.name === 'tap' || movesNothing(value) ? flat(value.inputs.x!) : value
}
