import type { Lowering, Value } from '../graph/index.ts'
import { BLOCK } from './blocks.ts'
import { cachedAttention } from './fuse-attention.ts'
import { inBlocks as headInBlocks } from './fuse-head.ts'
import { rotation } from './fuse-rotation.ts'
import type { Builder, Held } from './onnx-builder.ts'

/** A composite that ONNX Runtime has one kernel for: which values it needs and how it is written. */
export interface Fusion {
  readonly needs: readonly Value[]
  readonly lower: (g: Builder, names: readonly string[]) => string
}

/**
 * Recognises a composite by the value it ends in; `users` counts who reads a value, `held` names inputs that are constants. The graph keeps
 * its small set of ops; only the lowering knows the larger kernels.
 *
 * Measured on ONNX Runtime 1.30: a number and the right side's transpose belong into a product (FusedMatMul); the left side's transpose
 * is written out, since a product that transposes its left side runs at half speed.
 *
 * source  ONNX Runtime contrib operators (com.microsoft): QuickGelu with alpha 1 is SiLU; FusedMatMul; RotaryEmbedding takes angles from
 *         a table; GroupQueryAttention. SimplifiedLayerNormalization is RMSNorm and returns the inverse root mean square that the gradient needs
 */
export function fusionOf(value: Value, users: ReadonlyMap<Value, number>, held: Held): Fusion | undefined {
  return (
    cachedAttention(value, held) ??
    headInBlocks(value, users) ??
    blockProduct(value, held) ??
    blockRows(value, held) ??
    silu(value) ??
    siluSlope(value) ??
    weightedNorm(value, users) ??
    rootMeanSquare(value) ??
    product(value, users, held) ??
    rotation(value)
  )
}

/** x · σ(x) */
function silu(value: Value): Fusion | undefined {
  if (value.op.name !== 'mul') return undefined
  const { a, b } = value.inputs
  if (b!.op.name !== 'sigmoid' || b!.inputs.x !== a) return undefined
  return { needs: [a!], lower: (g, [x]) => g.node('QuickGelu', [x!], { alpha: 1 }) }
}

/** g·σ + (g·x)·(σ·(1 − σ)), the gradient of SiLU, as g·(s + σ·(1 − s)) with s = SiLU(x): four passes instead of seven. */
function siluSlope(value: Value): Fusion | undefined {
  if (value.op.name !== 'add') return undefined
  const [first, second] = [value.inputs.a!, value.inputs.b!]
  if (first.op.name !== 'mul' || second.op.name !== 'mul') return undefined
  const { a: g, b: sigma } = first.inputs as { a: Value; b: Value }
  const { a: weighted, b: slope } = second.inputs as { a: Value; b: Value }
  if (sigma.op.name !== 'sigmoid' || weighted.op.name !== 'mul' || slope.op.name !== 'mul') return undefined
  const x = sigma.inputs.x!
  const rest = slope.inputs.b!
  const matches =
    weighted.inputs.a === g &&
    weighted.inputs.b === x &&
    slope.inputs.a === sigma &&
    rest.op.name === 'add' &&
    rest.inputs.a!.op.name === 'neg' &&
    rest.inputs.a!.inputs.x === sigma &&
    rest.inputs.b!.attrs.fill === 1
  if (!matches) return undefined
  return {
    needs: [g, x, sigma],
    lower(n, [dy, at, s]) {
      const y = n.node('QuickGelu', [at!], { alpha: 1 })
      return n.node('Mul', [dy!, n.node('Add', [n.node('Mul', [n.node('Sub', [n.f32(1), y]), s!]), y])])
    },
  }
}

/** x · wᵀ with a constant w that is rounded to blocks. */
function blockProduct(value: Value, held: Held): Fusion | undefined {
  const { a, b } = value.op.name === 'matmul' ? value.inputs : {}
  const weight = b?.op.name === 'transpose' ? b.inputs.x! : undefined
  const constant = weight?.op.name === 'input' && weight.shape.length === 2 && held.names.has(String(weight.attrs.name))
  if (!a || !constant || !inBlocks(held, weight.shape[1]!)) return undefined
  return { needs: [a], lower: (g, [x]) => g.blockProduct(x!, [String(weight.attrs.name)], held.bits!) }
}

/** Rows of a constant, an embedding's, that is rounded to blocks. */
function blockRows({ op, inputs }: Value, held: Held): Fusion | undefined {
  const weight = op.name === 'takeRows' ? inputs.x! : undefined
  const constant = weight?.op.name === 'input' && weight.shape.length === 2 && held.names.has(String(weight.attrs.name))
  if (!constant || !inBlocks(held, weight.shape[1]!)) return undefined
  return { needs: [inputs.index!], lower: (g, [index]) => g.blockRows(String(weight.attrs.name), index!) }
}

/** Whether constants of so many columns are rounded to blocks. */
export function inBlocks({ bits }: Held, columns: number): boolean {
  return bits !== undefined && columns % BLOCK === 0
}

/** c · (x · w), (c · x) · w and x · wᵀ. */
function product(value: Value, users: ReadonlyMap<Value, number>, { names: held }: Held): Fusion | undefined {
  const factor = scaled(value)
  const outer = factor && users.get(factor.x) === 1 ? factor : undefined
  const inner = outer?.x ?? value
  if (inner.op.name !== 'matmul') return undefined
  const { a, b } = inner.inputs as { a: Value; b: Value }
  const left = scaled(a)
  const turned = b.op.name === 'transpose' && swapsLast(b.attrs.perm as readonly number[]) && !turnedOnce(b, held)
  if (!outer && !left && !turned) return undefined
  const alpha = (outer?.by ?? 1) * (left?.by ?? 1)
  const [x, w] = [left?.x ?? a, turned ? b.inputs.x! : b]
  return {
    needs: [x, w],
    lower(g, names) {
      const [rows, weight] = names as [string, string]
      // Rows that were laid flat for the product are multiplied as they lay before.
      const before = x.shape.length === 2 && w.shape.length === 2 ? g.before(rows, x.shape[1]!) : undefined
      const y = g.node('FusedMatMul', [before?.name ?? rows, weight], {
        ...(turned ? { transB: 1 } : {}),
        ...(alpha === 1 ? {} : { alpha }),
      })
      return before ? g.reshape(g.shaped(y, before.shape.with(-1, value.shape[1]!)), value.shape) : y
    },
  }
}

/** A constant with many more rows than columns is turned when it is loaded: one row times it then runs at 27 GB/s instead of 17. */
function turnedOnce({ inputs }: Value, held: ReadonlySet<string>): boolean {
  const { op, attrs, shape } = inputs.x!
  return op.name === 'input' && held.has(String(attrs.name)) && shape.length === 2 && shape[0]! >= 16 * shape[1]!
}

function swapsLast(perm: readonly number[]): boolean {
  const rank = perm.length
  return perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

/** x times a number. */
function scaled(value: Value): { x: Value; by: number } | undefined {
  const { a, b } = value.inputs
  return value.op.name === 'mul' && b!.op.name === 'constant' && b!.shape.length === 0 ? { x: a!, by: b!.attrs.fill as number } : undefined
}

/** 1 / √(mean x² + ε), and x times it: two outputs of one node. The gradient reads √(mean x² + ε) too, which is one over the first. */
function rootMeanSquare(value: Value): Fusion | undefined {
  const root = rms(value)
  if (root) return { needs: [root.x], lower: (g, [x]) => g.node('Reciprocal', [normalised(g, x!, root)[1]!]) }
  const inverse = inverseRms(value)
  if (inverse) return { needs: [inverse.x], lower: (g, [x]) => normalised(g, x!, inverse)[1]! }
  if (value.op.name !== 'mul') return undefined
  const scaled = inverseRms(value.inputs.b!)
  if (!scaled || scaled.x !== value.inputs.a) return undefined
  return { needs: [scaled.x], lower: (g, [x]) => normalised(g, x!, scaled)[0]! }
}

/** x over its root mean square, times a weight per channel, where nothing else reads what is on the way. */
function weightedNorm(value: Value, users: ReadonlyMap<Value, number>): Fusion | undefined {
  if (value.op.name !== 'mul') return undefined
  const { a, b: weight } = value.inputs as { a: Value; b: Value }
  if (a.op.name !== 'mul' || users.get(a) !== 1) return undefined
  const scaled = inverseRms(a.inputs.b!)
  const alone = scaled && scaled.x === a.inputs.a && users.get(a.inputs.b!) === 1
  if (!alone || weight.shape.length !== 1 || weight.shape[0] !== scaled.width) return undefined
  return { needs: [scaled.x, weight], lower: (g, [x, w]) => normalised(g, x!, scaled, w)[0]! }
}

function normalised(g: Lowering, x: string, { epsilon, width }: Rms, weight = g.node('Expand', [g.f32(1), g.i64([width])])) {
  return g.nodes('SimplifiedLayerNormalization', [x, weight], 2, { axis: -1, epsilon })
}

function inverseRms(value: Value): Rms | undefined {
  return value.op.name === 'div' && value.inputs.a!.attrs.fill === 1 ? rms(value.inputs.b!) : undefined
}

interface Rms {
  readonly x: Value
  readonly epsilon: number
  readonly width: number
}

/** √(mean x² + ε) over the last axis. */
function rms(root: Value): Rms | undefined {
  if (root.op.name !== 'sqrt') return undefined
  const shifted = root.inputs.x!
  if (shifted.op.name !== 'add' || shifted.inputs.b!.op.name !== 'constant') return undefined
  const mean = shifted.inputs.a!
  if (mean.op.name !== 'mul' || mean.inputs.a!.op.name !== 'sum') return undefined
  const total = mean.inputs.a!
  const square = total.inputs.x!
  const width = square.shape.at(-1)!
  const overLast = String(total.attrs.axes) === String(square.shape.length - 1) && mean.inputs.b!.attrs.fill === 1 / width
  if (!overLast || square.op.name !== 'mul' || square.inputs.a !== square.inputs.b) return undefined
  return { x: square.inputs.a!, epsilon: shifted.inputs.b!.attrs.fill as number, width }
}
