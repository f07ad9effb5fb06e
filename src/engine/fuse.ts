import type { Lowering, Value } from '../graph/index.ts'

/** A composite that ONNX Runtime has one kernel for: which values it needs and how it is written. */
export interface Fusion {
  readonly needs: readonly Value[]
  readonly lower: (g: Lowering, names: readonly string[]) => string
}

/**
 * Recognises a composite by the value it ends in. The graph keeps its small set of ops; only the lowering knows the larger kernels.
 *
 * source  ONNX Runtime contrib operators (com.microsoft): QuickGelu with alpha 1 is SiLU; SimplifiedLayerNormalization is RMSNorm and
 *         returns the inverse root mean square that the gradient needs
 */
export function fusionOf(value: Value): Fusion | undefined {
  return silu(value) ?? rootMeanSquare(value)
}

/** x · σ(x) */
function silu(value: Value): Fusion | undefined {
  if (value.op.name !== 'mul') return undefined
  const { a, b } = value.inputs
  if (b!.op.name !== 'sigmoid' || b!.inputs.x !== a) return undefined
  return { needs: [a!], lower: (g, [x]) => g.node('QuickGelu', [x!], { alpha: 1 }) }
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

function normalised(g: Lowering, x: string, { epsilon, width }: Rms) {
  const ones = g.node('Expand', [g.f32(1), g.i64([width])])
  return g.nodes('SimplifiedLayerNormalization', [x, ones], 2, { axis: -1, epsilon })
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
