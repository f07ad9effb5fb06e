import { addOp } from './ops/elementwise.ts'
import { broadcastTo, concat, reshape, transpose } from './ops/shape.ts'
import type { Rule } from './simplify.ts'
import { type Shape, sameShape } from './tensor.ts'
import { apply, type Value } from './value.ts'

/** Ops of two inputs that broadcast by themselves. */
const broadcasting = ['add', 'sub', 'mul', 'div', 'maximum', 'minimum']

/** Rules about where numbers lie: shapes, orders of axes, broadcasts, paddings, rows. */
export const shapeRules: readonly Rule[] = [
  {
    name: 'what changes nothing is left out',
    at: ['reshape', 'broadcastTo', 'transpose', 'concat'],
    exact: true,
    rewrite({ op, inputs, attrs, shape }) {
      const [x, ...more] = Object.values(inputs) as [Value, ...Value[]]
      if (op.name === 'transpose') return keepsOrder(attrs.perm as readonly number[]) ? x : undefined
      return more.length === 0 && sameShape(x.shape, shape) ? x : undefined
    },
  },
  {
    name: 'a sum over no axis is left out',
    at: ['sum'],
    rewrite: ({ inputs, attrs }) => ((attrs.axes as readonly number[]).length === 0 ? inputs.x : undefined),
  },
  {
    name: 'a reshape of a reshape is one reshape',
    at: ['reshape'],
    exact: true,
    rewrite: ({ inputs: { x }, shape }) => (x!.op.name === 'reshape' ? reshape(x!.inputs.x!, shape) : undefined),
  },
  {
    name: 'a transpose of a transpose is one transpose',
    at: ['transpose'],
    exact: true,
    rewrite({ inputs: { x }, attrs }, { users, isOutput }) {
      if (x!.op.name !== 'transpose') return undefined
      const before = x!.attrs.perm as readonly number[]
      const both = (attrs.perm as readonly number[]).map((axis) => before[axis]!)
      // Where the inner one is there for others too, two are no less work; and a product turns the last two axes by itself.
      const alone = users(x!).length === 1 && !isOutput(x!)
      return alone || keepsOrder(both) ? transpose(x!.inputs.x!, both) : undefined
    },
  },
  {
    name: 'a number acts before a broadcast',
    at: broadcasting,
    exact: true,
    rewrite({ op, inputs, shape }) {
      const { a, b } = inputs as { a: Value; b: Value }
      if (a.op.name === 'broadcastTo' && isNumber(b)) return broadcastTo(apply(op, { a: a.inputs.x!, b }), shape)
      if (b.op.name === 'broadcastTo' && isNumber(a)) return broadcastTo(apply(op, { a, b: b.inputs.x! }), shape)
      return undefined
    },
  },
  {
    name: 'a broadcast that the op does by itself is not written out',
    at: broadcasting,
    exact: true,
    rewrite(value) {
      const { op, inputs } = value
      const { a, b } = inputs as { a: Value; b: Value }
      const left = a.op.name === 'broadcastTo' ? a.inputs.x! : undefined
      if (left && sameShape(op.infer({ a: left, b }, {}).shape, value.shape)) return apply(op, { a: left, b })
      const right = b.op.name === 'broadcastTo' ? b.inputs.x! : undefined
      if (right && sameShape(op.infer({ a, b: right }, {}).shape, value.shape)) return apply(op, { a, b: right })
      return undefined
    },
  },
  {
    name: 'two paddings that meet are a concat',
    at: ['add'],
    rewrite: ({ inputs }) => joined(inputs.a!, inputs.b!) ?? joined(inputs.b!, inputs.a!),
  },
  {
    name: 'rows that are added to zeros are added to what those are added to',
    at: ['add'],
    rewrite({ op, inputs }, { users, isOutput }) {
      if (op !== addOp || inputs.a === inputs.b) return undefined
      const into = (x: Value, other: Value) => {
        const fits = x.op.name === 'addRows' && x.inputs.x!.op.name === 'constant' && x.inputs.x!.attrs.fill === 0
        const alone = users(x).length === 1 && !isOutput(x)
        return fits && alone && sameShape(x.shape, other.shape) ? apply(x.op, { ...x.inputs, x: other }) : undefined
      }
      return into(inputs.a!, inputs.b!) ?? into(inputs.b!, inputs.a!)
    },
  },
]

/** [first; second] where the first has zeros behind it and the second zeros before it, as many as the other is long. */
function joined(first: Value, second: Value): Value | undefined {
  if (first.op.name !== 'pad' || second.op.name !== 'pad') return undefined
  const [one, two] = [first.attrs, second.attrs] as unknown as [Pad, Pad]
  const [x, y] = [first.inputs.x!, second.inputs.x!]
  const meet = one.axis === two.axis && one.before === 0 && two.after === 0
  return meet && two.before === x.shape[one.axis] && one.after === y.shape[one.axis] ? concat([x, y], one.axis) : undefined
}

interface Pad {
  readonly axis: number
  readonly before: number
  readonly after: number
}

function isNumber({ op, shape }: { readonly op: { readonly name: string }; readonly shape: Shape }): boolean {
  return op.name === 'constant' && shape.length === 0
}

function keepsOrder(perm: readonly number[]): boolean {
  return perm.every((axis, i) => axis === i)
}
