import { matmul, matmulOp } from './ops/linear.ts'
import { sum } from './ops/reduce.ts'
import { transpose } from './ops/shape.ts'
import type { Facts, Rule } from './simplify.ts'
import { sameShape, sizeOf } from './tensor.ts'
import type { Value } from './value.ts'

/** Rules about matrix products: which comes first, and what is turned or scaled for it. */
export const productRules: readonly Rule[] = [
  {
    // The gradient of a head's softmax is scaled on [positions, d] instead of on [positions, vocabulary].
    name: 'a factor per row goes to the smaller side of a product',
    at: ['matmul'],
    rewrite(value, facts) {
      const move = factorMove(value)
      const all = move && movesOf(move.scaled, facts)
      const less = all && all.reduce((sum, { numbers }) => sum + numbers, 0) < sizeOf(move.scaled.shape)
      return less ? move.moved() : undefined
    },
  },
  {
    // The gradient of a low-rank factor is never as large as the weight that it is a part of.
    name: 'of three matrices the cheaper product is taken first',
    at: ['matmul'],
    rewrite(value, facts) {
      const side = cheaperSide(value, facts, new Set())
      if (!side) return undefined
      const { a, b } = value.inputs as { a: Value; b: Value }
      const { p, q, by } = factorsOf(value.inputs[side]!)!
      const product = side === 'a' ? matmul(p, matmul(q, b)) : matmul(matmul(a, p), q)
      return by === 1 ? product : product.mul(by)
    },
  },
  {
    name: 'of aᵀ·b turned, the narrower side is turned: (aᵀ·b)ᵀ = bᵀ·a',
    at: ['transpose'],
    rewrite(value, { users, isOutput }) {
      const x = value.inputs.x!
      if (!turnsMatrix(value) || x.op !== matmulOp || users(x).length > 1 || isOutput(x)) return undefined
      const { a, b } = x.inputs as { a: Value; b: Value }
      if (users(value).some(turnsMatrix)) return undefined // what is turned back is needed as it is
      const narrower = turnsMatrix(a) && b.op.name !== 'transpose' && b.shape.length === 2 && b.shape[1]! < a.shape[0]!
      return narrower ? matmul(transpose(b), a.inputs.x!) : undefined
    },
  },
  {
    // An attention pattern is larger than what comes of it.
    name: 'of stacked aᵀ·b, b and the product are turned where they are smaller than a: aᵀ·b = (bᵀ·a)ᵀ',
    at: ['matmul'],
    rewrite(value) {
      const { a, b } = value.inputs as { a: Value; b: Value }
      const stacked = a.shape.length > 2 && b.shape.length > 2 && turnsLastTwo(a)
      if (!stacked || sizeOf(value.shape) + sizeOf(b.shape) >= sizeOf(a.shape)) return undefined
      return transpose(matmul(transpose(b), a.inputs.x!))
    },
  },
  {
    // The gradient of an attention pattern needs only what attention gave.
    name: 'Σ (u·v)∘b over rows is Σ u∘(b·vᵀ), where b·vᵀ is computed anyway and is narrower',
    at: ['sum'],
    rewrite({ inputs: { x }, attrs }, facts) {
      const last = String(attrs.axes) === String(x!.shape.length - 1)
      if (!last || x!.op.name !== 'mul') return undefined
      const { a, b } = x!.inputs as { a: Value; b: Value }
      return narrowerDot(a, b, facts) ?? narrowerDot(b, a, facts)
    },
  },
]

/** A product with a factor per row on one side, and with the factor on the other side. */
interface FactorMove {
  /** What the product reads, and where in it the factor stands: there, or in what is turned there. */
  readonly read: Value
  readonly scaled: Value
  /** How many numbers are scaled then. */
  readonly numbers: number
  readonly moved: () => Value
}

function factorMove({ op, inputs, shape }: Value): FactorMove | undefined {
  const { a, b } = inputs as { a: Value; b: Value }
  if (op !== matmulOp || a === b || a.shape.length !== 2 || b.shape.length !== 2) return undefined
  const rows = perRow(a)
  if (rows && sizeOf(a.shape) > sizeOf(shape))
    return { read: a, scaled: a, numbers: sizeOf(shape), moved: () => matmul(rows.matrix, b).mul(rows.factor) }
  if (!turnsMatrix(a)) return undefined
  const [x, inner, right] = [a.inputs.x!, perRow(a.inputs.x!), perRow(b)]
  if (inner && sizeOf(a.shape) > sizeOf(b.shape))
    return { read: a, scaled: x, numbers: sizeOf(b.shape), moved: () => matmul(transpose(inner.matrix), b.mul(inner.factor)) }
  if (right && sizeOf(b.shape) > sizeOf(a.shape))
    return { read: b, scaled: b, numbers: sizeOf(a.shape), moved: () => matmul(transpose(x.mul(right.factor)), right.matrix) }
  return undefined
}

/** The moves of all products that read a scaled matrix, turned or not; undefined where anything else reads it, so that it is needed anyway. */
function movesOf(scaled: Value, facts: Facts): FactorMove[] | undefined {
  if (facts.isOutput(scaled)) return undefined
  const found: FactorMove[] = []
  for (const user of facts.users(scaled)) {
    const move = factorMove(user)
    const more = turnsMatrix(user) ? movesOf(user, facts) : move?.read === scaled ? [move] : undefined
    if (!more) return undefined
    found.push(...more)
  }
  return found
}

/** x = factor · matrix with factor [m, 1] and matrix [m, n], n > 1. */
function perRow(x: Value): { readonly factor: Value; readonly matrix: Value } | undefined {
  if (x.op.name !== 'mul' || x.shape.length !== 2 || x.shape[1] === 1) return undefined
  const { a, b } = x.inputs as { a: Value; b: Value }
  const fits = (factor: Value, matrix: Value) => sameShape(factor.shape, [x.shape[0]!, 1]) && sameShape(matrix.shape, x.shape)
  if (fits(a, b)) return { factor: a, matrix: b }
  return fits(b, a) ? { factor: b, matrix: a } : undefined
}

type Side = 'a' | 'b'

/** The side of a product that is a product itself, and better taken apart: p·(q·b) for a = p·q, or (a·p)·q for b = p·q. */
function cheaperSide(value: Value, facts: Facts, asked: Set<Value>): Side | undefined {
  return (['a', 'b'] as const).find((side) => takesApart(value, side, facts, asked))
}

/** Where others need the inner product too, it pays only if it pays without counting that; else all who read it take it apart, or none. */
function takesApart(value: Value, side: Side, facts: Facts, asked: Set<Value>): boolean {
  const inner = factorsOf(value.inputs[side]!)
  const one = inner && inStages(value, side)
  if (!one || asked.has(value)) return false
  const within = new Set([...asked, value])
  const uses = usesOf(inner.product, facts)
  // Who has two inner products takes the left one apart, and not this one twice.
  const once = new Set(uses?.map(({ user }) => user)).size === uses?.length
  const all = once && uses.every((use) => use.side === 'a' || !takesApart(use.user, 'a', facts, within))
  if (!all) return 2 * one.after < one.before
  const costs = uses!.map((use) => inStages(use.user, use.side)!)
  const total = (each: (cost: Cost) => number) => costs.reduce((sum, cost) => sum + each(cost), 0)
  return 2 * total(({ after }) => after) < inner.work + total(({ before }) => before)
}

/** Products that read a product, turned or times a number or as it is; undefined where anything else reads it. */
function usesOf(value: Value, facts: Facts): { readonly user: Value; readonly side: Side }[] | undefined {
  if (facts.isOutput(value)) return undefined
  const found: { readonly user: Value; readonly side: Side }[] = []
  for (const user of facts.users(value)) {
    const { a, b } = user.inputs
    if (turnsMatrix(user) || (user.op.name === 'mul' && a === value && isNumber(b!))) {
      const more = usesOf(user, facts)
      if (!more) return undefined
      found.push(...more)
    } else if (user.op === matmulOp && a !== b && inStages(user, a === value ? 'a' : 'b')) {
      found.push({ user, side: a === value ? 'a' : 'b' })
    } else return undefined
  }
  return found
}

/** Multiplications of a product whose side is a product: as it is, that side apart from it, and with that side's factors one after the other. */
interface Cost {
  readonly before: number
  readonly after: number
}

function inStages({ op, inputs, shape }: Value, side: Side): Cost | undefined {
  const { a, b } = inputs as { a: Value; b: Value }
  const inner = op === matmulOp && shape.length === 2 && a.shape.length === 2 && b.shape.length === 2 ? factorsOf(inputs[side]!) : undefined
  if (!inner) return undefined
  const [m, l, n, k] = [a.shape[0]!, b.shape[0]!, b.shape[1]!, inner.p.shape[1]!]
  return { before: m * l * n, after: side === 'a' ? k * l * n + m * k * n : m * l * k + m * k * n }
}

/** x = by · p·q, of two matrices, and the product that it is made from. */
function factorsOf(x: Value): { p: Value; q: Value; by: number; product: Value; work: number } | undefined {
  const { a, b } = x.inputs
  if (x.op === matmulOp && a!.shape.length === 2 && b!.shape.length === 2)
    return { p: a!, q: b!, by: 1, product: x, work: sizeOf(a!.shape) * b!.shape[1]! }
  if (x.op.name === 'mul' && isNumber(b!)) {
    const inner = factorsOf(a!)
    return inner && { ...inner, by: inner.by * (b!.attrs.fill as number) }
  }
  const turned = turnsMatrix(x) ? factorsOf(x.inputs.x!) : undefined
  return turned && { ...turned, p: transpose(turned.q), q: transpose(turned.p) }
}

function narrowerDot(a: Value, b: Value, facts: Facts): Value | undefined {
  if (a.op !== matmulOp || !sameShape(a.shape, b.shape)) return undefined
  const { a: u, b: v } = a.inputs as { a: Value; b: Value }
  const [k, n] = [v.shape.at(-2)!, v.shape.at(-1)!]
  const plain =
    k < n && sizeOf(u.shape) * n === sizeOf(a.shape) * k && u.shape.length === a.shape.length && v.shape.length === a.shape.length
  if (!plain) return undefined
  const turned = turnsLastTwo(v) ? v.inputs.x! : facts.users(v).find((user) => turnsLastTwo(user))
  return turned && facts.computes(matmulOp, { a: b, b: turned }) ? sum(u.mul(matmul(b, turned)), [-1]) : undefined
}

function turnsMatrix(value: Value): boolean {
  return value.shape.length === 2 && turnsLastTwo(value)
}

function turnsLastTwo({ op, attrs, shape }: Value): boolean {
  if (op.name !== 'transpose') return false
  const perm = attrs.perm as readonly number[]
  const rank = shape.length
  return perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

function isNumber({ op, shape }: Value): boolean {
  return op.name === 'constant' && shape.length === 0
}
